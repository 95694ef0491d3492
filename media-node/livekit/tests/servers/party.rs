//! One side of a call: a leg that is served every 20 ms, as a session does it.

use crate::world::SOON;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_model::flow::TransferMode;
use talkif_telephony::{
    CallLeg, DirectTelephony, FRAME, LegEvent, Rejection, Transfer, TransferError, Transferred,
};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// This many loud frames are somebody who speaks.
const SPEECH: usize = 15;
/// To another telephone and back.
const NETWORK: Duration = Duration::from_millis(100);
/// Mean magnitude above which a frame is loud; the tone has 2,500.
const LOUD: i64 = 700;

/// A leg and what it says and hears.
pub(crate) struct Party {
    leg: Box<dyn CallLeg>,
    ticks: Interval,
    speaks: bool,
    sample: usize,
    loud: usize,
    keys: String,
    /// The telephone of this leg, which would hang up if it went.
    _phone: Option<DirectTelephony>,
}

impl Party {
    pub(crate) fn new(leg: Box<dyn CallLeg>) -> Self {
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { leg, ticks, speaks: false, sample: 0, loud: 0, keys: String::new(), _phone: None }
    }

    /// The only leg of `phone`.
    pub(crate) fn with_phone(phone: DirectTelephony, leg: Box<dyn CallLeg>) -> Self {
        Self { _phone: Some(phone), ..Self::new(leg) }
    }

    /// From now on it says a tone of 440 Hz.
    pub(crate) fn speak(&mut self) {
        self.speaks = true;
    }

    /// From now on it is silent.
    pub(crate) fn hushes(&mut self) {
        self.speaks = false;
    }

    /// Serves the leg for a while, whatever happens but its end.
    pub(crate) async fn talks_for(&mut self, time: Duration) {
        self.during(tokio::time::sleep(time)).await;
    }

    pub(crate) async fn answer(&mut self) {
        self.leg.answer().await.unwrap();
    }

    /// Not at once: `livekit-sip` may lose a refusal that comes faster than over any network.
    pub(crate) async fn reject(&mut self, why: Rejection) {
        tokio::time::sleep(NETWORK).await;
        self.leg.reject(why).await.unwrap();
    }

    pub(crate) fn hang_up(&mut self) {
        self.leg.hang_up();
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.leg.send_dtmf(keys);
    }

    pub(crate) async fn transfer(&mut self, to: &str) -> Result<(), TransferError> {
        timeout(SOON, self.leg.transfer(to)).await.expect("a transfer is decided soon")
    }

    /// Calls `to` into the call; the leg is to be served meanwhile.
    pub(crate) fn consult(&self, to: String) -> BoxFuture<'static, Result<Transferred, TransferError>> {
        let max_ring = Duration::from_secs(20);
        self.leg.begin_transfer(Transfer { to, mode: TransferMode::Attended, max_ring })
    }

    /// Leaves the persons in the call to each other.
    pub(crate) async fn hand_over(&mut self) -> Result<(), TransferError> {
        let handed_over = self.leg.hand_over();
        self.during(handed_over).await
    }

    /// Begins to leave the persons in the call to each other, and does not wait for it.
    pub(crate) fn forsakes_hand_over(&self) {
        drop(self.leg.hand_over());
    }

    /// Serves the leg until `work` is done.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let worked = timeout(SOON * 2, async {
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => return done,
                    event = self.next() => {
                        assert!(!matches!(event, LegEvent::Ended { .. }), "{event:?} in mid-call");
                    }
                }
            }
        });
        worked.await.expect("it is done in time")
    }

    /// What the other side has said so far does not count.
    pub(crate) fn forget(&mut self) {
        self.loud = 0;
    }

    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        self.leg.attributes()
    }

    /// The value of a header of the far end's, whose name may be written in any way.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let wanted = format!("sip.h.{name}");
        self.attributes()
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&wanted))
            .map(|(_, value)| value)
    }

    /// The next event; the leg is served meanwhile.
    pub(crate) async fn event(&mut self) -> LegEvent {
        timeout(SOON, self.next()).await.expect("something happens soon")
    }

    async fn next(&mut self) -> LegEvent {
        loop {
            tokio::select! {
                biased;
                event = self.leg.event() => {
                    if let LegEvent::Dtmf(key) = event {
                        self.keys.push(key);
                    }
                    return event;
                }
                _ = self.ticks.tick() => self.serve(),
            }
        }
    }

    fn serve(&mut self) {
        let mut frame = vec![0; self.leg.sample_rate() as usize / 50];
        self.leg.receive(&mut frame);
        let magnitude: i64 = frame.iter().map(|sample| i64::from(sample.unsigned_abs())).sum();
        if magnitude / frame.len() as i64 > LOUD {
            self.loud += 1;
        }
        if self.speaks {
            let rate = f64::from(self.leg.sample_rate());
            for sample in &mut frame {
                let turn = self.sample as f64 * 440.0 / rate * std::f64::consts::TAU;
                *sample = (turn.sin() * 4_000.0) as i16;
                self.sample += 1;
            }
        } else {
            frame.fill(0);
        }
        self.leg.send(&frame);
    }

    /// Waits for `wanted`; the end of the call instead is a failure.
    pub(crate) async fn until(&mut self, wanted: &LegEvent) {
        loop {
            let event = self.event().await;
            if event == *wanted {
                return;
            }
            assert!(!matches!(event, LegEvent::Ended { .. }), "{event:?} while waiting for {wanted:?}");
        }
    }

    /// Waits for the end, skipping other events.
    pub(crate) async fn end(&mut self) -> (LegEnd, Option<u16>) {
        self.end_within(SOON).await
    }

    /// The same, where the end is long in coming.
    pub(crate) async fn end_within(&mut self, time: Duration) -> (LegEnd, Option<u16>) {
        self.ended_within(time).await.expect("the call ends in time")
    }

    /// The end, if it comes in time.
    pub(crate) async fn ended_within(&mut self, time: Duration) -> Option<(LegEnd, Option<u16>)> {
        let ended = timeout(time, async {
            loop {
                if let LegEvent::Ended { how, sip_status } = self.next().await {
                    return (how, sip_status);
                }
            }
        });
        ended.await.ok()
    }

    /// A part of the name of our leg's room.
    pub(crate) fn room(&self) -> String {
        let attributes = self.attributes();
        let known = ["talkif.call", "sip.phoneNumber"].iter().find_map(|name| attributes.get(*name));
        known.cloned().expect("the person's participant has been seen")
    }

    /// Serves the leg until the other side has been heard.
    pub(crate) async fn hears(&mut self) {
        self.serve_until(|party| party.loud >= SPEECH, "the other side is heard").await;
    }

    /// Serves both until this one has heard the other.
    pub(crate) async fn hear_from(&mut self, other: &mut Self) {
        let heard = timeout(SOON, async {
            while self.loud < SPEECH {
                let moment = Duration::from_millis(200);
                tokio::join!(self.talks_for(moment), other.talks_for(moment));
            }
        });
        assert!(heard.await.is_ok(), "the other side is heard: {} loud frames", self.loud);
    }

    /// Serves both until each has heard the other. Whoever is not served is not heard.
    pub(crate) async fn hear_each_other(&mut self, other: &mut Self) {
        const MOMENT: Duration = Duration::from_millis(200);
        let both = timeout(SOON, async {
            while self.loud < SPEECH || other.loud < SPEECH {
                tokio::join!(self.talks_for(MOMENT), other.talks_for(MOMENT));
            }
        });
        assert!(both.await.is_ok(), "they hear each other: {} and {} loud frames", self.loud, other.loud);
    }

    /// Serves the leg until these keys have come.
    pub(crate) async fn gets(&mut self, keys: &str) {
        self.serve_until(|party| party.keys == keys, "keys come").await;
    }

    async fn serve_until(&mut self, done: impl Fn(&Self) -> bool, what: &str) {
        let served = timeout(SOON, async {
            while !done(self) {
                let event = timeout(FRAME, self.next()).await;
                assert!(!matches!(event, Ok(LegEvent::Ended { .. })), "{event:?} before {what}");
            }
        });
        assert!(served.await.is_ok(), "{what}: {} loud frames, keys {:?}", self.loud, self.keys);
    }

    /// Serves the leg for a while, in which the call must not end.
    pub(crate) async fn stays(&mut self, time: Duration) {
        let ended = self.ended_within(time).await;
        assert!(ended.is_none(), "{ended:?} in mid-call");
    }

    pub(crate) fn received_and_lost(&self) -> (u64, u64) {
        let quality = self.leg.quality();
        (quality.packets_received, quality.packets_lost)
    }
}
