//! What the tests of whole calls share: nodes on free ports, talking with tones, waiting with a
//! bound.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_model::CallId;
use talkif_telephony::{
    CallLeg, DialRequest, DirectConfig, DirectTelephony, FRAME, IncomingCall, LegEvent, Pacer, Received,
    Telephony, Transport, Trunk,
};
use tokio::time::{sleep, timeout};

/// Longest wait for anything that is to happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) type Leg = Box<dyn CallLeg>;

pub(crate) fn config() -> DirectConfig {
    DirectConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 0..=0, Ipv4Addr::LOCALHOST.into())
}

pub(crate) async fn node() -> DirectTelephony {
    node_with(config()).await
}

pub(crate) async fn node_with(config: DirectConfig) -> DirectTelephony {
    DirectTelephony::start(config).await.unwrap()
}

pub(crate) fn request(address: SocketAddr) -> DialRequest {
    DialRequest {
        call_id: CallId::new(0, [7; 10]),
        from: "+15550100199".parse().unwrap(),
        to: "+905321234218".parse().unwrap(),
        trunk: Trunk {
            address: address.to_string(),
            transport: Transport::Udp,
            username: None,
            password: None,
        },
        max_ring: Duration::from_secs(20),
        headers: vec![("X-Talkif-Test".to_owned(), "1".to_owned())],
    }
}

pub(crate) async fn dial(from: &DirectTelephony, to: SocketAddr) -> Leg {
    from.dial(request(to)).await.unwrap()
}

pub(crate) async fn incoming(node: &DirectTelephony) -> IncomingCall {
    timeout(SOON, node.next_call()).await.expect("a call comes in soon").unwrap()
}

pub(crate) async fn event(leg: &mut Leg) -> LegEvent {
    timeout(SOON, leg.event()).await.expect("something happens soon")
}

/// Waits for the leg's end, skipping other events.
pub(crate) async fn end(leg: &mut Leg) -> (LegEnd, Option<u16>) {
    loop {
        if let LegEvent::Ended { how, sip_status } = event(leg).await {
            return (how, sip_status);
        }
    }
}

pub(crate) async fn until(leg: &mut Leg, wanted: &LegEvent) {
    loop {
        let event = event(leg).await;
        if event == *wanted {
            return;
        }
        assert!(!matches!(event, LegEvent::Ended { .. }), "{event:?} while waiting for {wanted:?}");
    }
}

/// Two nodes in a call: the caller's leg and the called one's.
pub(crate) async fn connected(caller: &DirectTelephony, called: &DirectTelephony) -> (Leg, Leg) {
    let mut there = dial(caller, called.local_addr()).await;
    let mut here = incoming(called).await.leg;
    here.answer().await.unwrap();
    until(&mut there, &LegEvent::Answered).await;
    until(&mut here, &LegEvent::Answered).await;
    (there, here)
}

/// What a leg heard while it talked.
pub(crate) struct Talk {
    pub(crate) heard: Vec<i16>,
    pub(crate) received: Vec<Received>,
}

/// Sends a tone and listens, on the 20 ms clock.
pub(crate) async fn talk(leg: &mut Leg, hertz: f32, duration: Duration) -> Talk {
    let (mut pacer, mut talk) = (Pacer::new(FRAME), Talk { heard: Vec::new(), received: Vec::new() });
    let frames = u64::try_from(duration.as_millis() / FRAME.as_millis()).unwrap();
    loop {
        let tick = pacer.tick().await;
        if tick.index >= frames {
            return talk;
        }
        leg.send(&tone(hertz, tick.index));
        let mut frame = [0; 160];
        talk.received.push(leg.receive(&mut frame));
        talk.heard.extend(frame);
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a tone of seconds")]
fn tone(hertz: f32, index: u64) -> Vec<i16> {
    let at = |n: u64| (n as f32 / 8_000.0 * hertz * std::f32::consts::TAU).sin() * 8_000.0;
    (index * 160..(index + 1) * 160).map(|n| at(n) as i16).collect()
}

/// Share of the second half of the samples' energy that lies at `hertz`, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "samples of seconds")]
pub(crate) fn share_of(hertz: f32, samples: &[i16]) -> f32 {
    let part = &samples[samples.len() / 2..];
    let (mut re, mut im, mut energy) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (n, &sample) in part.iter().enumerate() {
        let (turn, sample) = (n as f32 / 8_000.0 * hertz * std::f32::consts::TAU, f32::from(sample));
        re += sample * turn.cos();
        im += sample * turn.sin();
        energy += sample * sample;
    }
    2.0 * (re * re + im * im) / (part.len() as f32 * energy.max(1.0))
}

/// Waits until no dialog is left in the node's stack.
pub(crate) async fn assert_forgotten(node: &DirectTelephony) {
    for _ in 0..200 {
        if node.dialogs() == 0 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{} dialogs are left", node.dialogs());
}
