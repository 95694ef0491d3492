//! The far end: both servers, and a telephone that answers everybody with a tone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};
use talkif_embedded::LiveKit;
use talkif_model::CallId;
use talkif_telephony::{
    CallLeg, DialRequest, DirectConfig, DirectTelephony, FRAME, LegEvent, Pacer, Telephony, Transport, Trunk,
};

/// How long the telephone rings.
const RINGS: Duration = Duration::from_secs(2);
/// Louder than a codec's noise, quieter than the tone.
pub(crate) const LOUD: u16 = 500;

pub(crate) async fn servers() {
    let folder = tempfile::tempdir().unwrap();
    let servers = LiveKit::start(folder.path(), None).await.unwrap();
    let phone = telephone().await;
    println!("{} {} {} {}", servers.url(), servers.api_key(), servers.api_secret(), phone.local_addr());
    while let Some(call) = phone.next_call().await {
        tokio::spawn(person(call.leg, Instant::now()));
    }
}

pub(crate) async fn telephone() -> DirectTelephony {
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = DirectConfig::new(own, 0..=0, Ipv4Addr::LOCALHOST.into());
    // It rings for long, and everybody comes from one address.
    (config.inbound.max_pending, config.inbound.max_pending_per_source) = (1_000, 1_000);
    DirectTelephony::start(config).await.unwrap()
}

/// Answers, says a tone, and notes when the agent is first heard.
async fn person(mut leg: Box<dyn CallLeg>, invited: Instant) {
    tokio::time::sleep(RINGS).await;
    if leg.answer().await.is_err() {
        return;
    }
    let answered = Instant::now();
    let mut pacer = Pacer::new(FRAME);
    let (mut frame, mut first) = ([0_i16; 160], None);
    for tick in 0_usize.. {
        tokio::select! {
            event = leg.event() => if matches!(event, LegEvent::Ended { .. }) { break },
            _ = pacer.tick() => {
                leg.receive(&mut frame);
                if first.is_none() && frame.iter().any(|sample| sample.unsigned_abs() > LOUD) {
                    first = Some(answered.elapsed());
                }
                for (n, sample) in frame.iter_mut().enumerate() {
                    *sample = (((tick * 160 + n) as f64 * 0.35).sin() * 4_000.0) as i16;
                }
                leg.send(&frame);
            }
        }
    }
    let quality = leg.quality();
    println!(
        "echo heard {} ms after the answer, which came {} ms after the INVITE; {} packets, {} lost",
        first.unwrap_or_default().as_millis(),
        (answered - invited).as_millis(),
        quality.packets_received,
        quality.packets_lost
    );
}

/// A call to the telephone at `phone`.
pub(crate) fn request(phone: SocketAddr, n: usize) -> DialRequest {
    let trunk =
        Trunk { address: phone.to_string(), transport: Transport::Udp, username: None, password: None };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    DialRequest {
        call_id: CallId::new(u64::try_from(now).unwrap(), rand::random()),
        from: "+12125550100".parse().unwrap(),
        to: format!("+1212556{n:04}").parse().unwrap(),
        trunk,
        max_ring: Duration::from_secs(30),
        headers: Vec::new(),
    }
}
