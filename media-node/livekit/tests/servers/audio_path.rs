//! What happens to the audio on its way: loss, order and delay, sample by sample.
//!
//! Both sides of a call say chirps, each of another pitch, and are served by one clock. What is
//! heard is compared with what was said. The same is done with a call of the direct leg alone, so
//! that the difference is what the way through LiveKit adds.

use crate::world::{World, fresh_number, phone, request};
use crate::{Case, cases};
use std::sync::Arc;
use std::time::Duration;
use talkif_media::resample::Resampler;
use talkif_telephony::{CallLeg, DirectTelephony, FRAME, LegEvent, LegQuality, Telephony};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) fn cases() -> Vec<Case> {
    cases![what_is_said_is_heard_whole_in_order_and_soon_on_both_sides]
}

/// Samples per second of the comparison.
const RATE: usize = 8_000;
/// A chirp begins every half second and takes a fifth of one.
const SLOT: usize = RATE / 2;
const CHIRP: usize = RATE / 5;
const CHIRPS: usize = 8;
/// Ticks of a run: all chirps, and time for the last one to arrive.
const TICKS: usize = (CHIRPS + 1) * 25;
/// Latest arrival looked for: 350 ms.
const LONGEST: usize = 2_800;
/// Runs in which the machine was too busy to tick in time are repeated so often.
const ATTEMPTS: usize = 3;

/// What is said at a time in seconds, within slot `slot`; and the same a quarter of a turn later.
fn chirp(slot: usize, t: f64) -> (f64, f64) {
    let low = 400.0 + 150.0 * (slot % 7) as f64;
    let edge = (t.min(0.2 - t) / 0.01).clamp(0.0, 1.0);
    let (sine, cosine) = (std::f64::consts::TAU * (low + 3_000.0 * t) * t).sin_cos();
    (8_000.0 * edge * sine, 8_000.0 * edge * cosine)
}

/// Sample `n` of what is said, at `rate`.
fn said(n: usize, rate: usize) -> i16 {
    let (slot, within) = (n / (rate / 2), n % (rate / 2));
    let t = within as f64 / rate as f64;
    if slot < CHIRPS && t < 0.2 { chirp(slot, t).0 as i16 } else { 0 }
}

/// One side: its leg and what it has heard, at [`RATE`].
struct Side {
    leg: Box<dyn CallLeg>,
    narrow: Option<Resampler>,
    heard: Vec<i16>,
    sample: usize,
}

impl Side {
    fn new(leg: Box<dyn CallLeg>) -> Self {
        let narrow =
            Resampler::new(leg.sample_rate(), RATE as u32).ok().filter(|_| leg.sample_rate() != RATE as u32);
        Self { leg, narrow, heard: Vec::new(), sample: 0 }
    }

    fn serve(&mut self, speaks: bool) {
        let rate = self.leg.sample_rate() as usize;
        let mut frame = vec![0; rate / 50];
        self.leg.receive(&mut frame);
        if speaks {
            match &mut self.narrow {
                Some(narrow) => narrow.process(&frame, &mut self.heard),
                None => self.heard.extend(&frame),
            }
            for sample in &mut frame {
                *sample = said(self.sample, rate);
                self.sample += 1;
            }
        } else {
            frame.fill(0);
        }
        self.leg.send(&frame);
    }

    async fn answered(&mut self) {
        let answered =
            timeout(Duration::from_secs(20), async { while self.leg.event().await != LegEvent::Answered {} });
        answered.await.expect("the call is answered");
    }
}

/// What became of the chirps of one direction.
#[derive(Debug)]
struct Heard {
    /// Of each chirp, milliseconds.
    delays: Vec<f64>,
    /// How much each resembles what was said, 1 at most.
    likeness: Vec<f64>,
}

impl Heard {
    fn of(heard: &[i16]) -> Self {
        let found: Vec<(usize, f64)> = (0..CHIRPS).map(|slot| find(heard, slot)).collect();
        Self {
            delays: found.iter().map(|(delay, _)| *delay as f64 * 1_000.0 / RATE as f64).collect(),
            likeness: found.iter().map(|(_, likeness)| *likeness).collect(),
        }
    }

    fn median_ms(&self) -> f64 {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        delays[delays.len() / 2]
    }

    /// Chirps that came whole. One in which a jitter buffer moved by a frame is heard as two parts.
    fn whole(&self) -> usize {
        self.likeness.iter().filter(|likeness| **likeness > 0.98).count()
    }

    /// Whether the delay never changed.
    fn is_steady(&self) -> bool {
        self.delays.iter().all(|delay| (delay - self.delays[0]).abs() < 1.0)
    }
}

/// Where a chirp is heard best, and how well. The delay need not be a whole number of samples, so
/// the phase counts for nothing.
fn find(heard: &[i16], slot: usize) -> (usize, f64) {
    let wanted: Vec<(f64, f64)> = (0..CHIRP).map(|n| chirp(slot, n as f64 / RATE as f64)).collect();
    let power: f64 = wanted.iter().map(|(sine, _)| sine * sine).sum();
    let likeness = |delay: usize| {
        let Some(part) = heard.get(slot * SLOT + delay..slot * SLOT + delay + CHIRP) else { return 0.0 };
        let (mut sines, mut cosines, mut level) = (0.0, 0.0, 1.0);
        for (sample, (sine, cosine)) in part.iter().map(|sample| f64::from(*sample)).zip(&wanted) {
            sines += sample * sine;
            cosines += sample * cosine;
            level += sample * sample;
        }
        f64::hypot(sines, cosines) / (power * level).sqrt()
    };
    let best = |delays: &mut dyn Iterator<Item = usize>| {
        let found = delays.map(|delay| (delay, likeness(delay)));
        found.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    };
    // The likeness of a chirp rises over six samples, so every third is enough to find it.
    let (near, _) = best(&mut (0..LONGEST).step_by(3));
    best(&mut (near.saturating_sub(2)..near + 3))
}

/// Serves both sides with one clock; returns how many ticks came too late to count.
async fn talk(a: &mut Side, b: &mut Side) -> usize {
    let warm_up = 50;
    let (start, mut late) = (Instant::now(), 0);
    for tick in 0..warm_up + TICKS {
        let due = start + FRAME * u32::try_from(tick).unwrap();
        sleep_until(due).await;
        late += usize::from(due.elapsed() > FRAME / 2);
        let speaks = tick >= warm_up;
        a.serve(speaks);
        b.serve(speaks);
    }
    late
}

/// What a call made of the chirps.
struct Measured {
    /// At the telephone.
    out: Heard,
    /// At the agent.
    back: Heard,
    quality: LegQuality,
    /// Whether the machine had time for every tick.
    undisturbed: bool,
}

impl Measured {
    fn whole(&self) -> usize {
        self.out.whole() + self.back.whole()
    }
}

/// A call to a telephone by way of `telephony`; repeated while the machine is too busy. The best
/// attempt counts.
async fn measured(telephony: &dyn Telephony) -> Measured {
    let phone = phone().await;
    let mut best: Option<Measured> = None;
    for _ in 0..ATTEMPTS {
        let leg = telephony.dial(request(phone.local_addr(), &fresh_number())).await.unwrap();
        let (mut agent, mut person) = connected(leg, &phone).await;
        let late = talk(&mut agent, &mut person).await;
        let (out, back) = (Heard::of(&person.heard), Heard::of(&agent.heard));
        let undisturbed = late == 0 && out.is_steady() && back.is_steady();
        let measured = Measured { out, back, quality: agent.leg.quality(), undisturbed };
        if undisturbed {
            return measured;
        }
        best = best.filter(|best| best.whole() >= measured.whole()).or(Some(measured));
    }
    best.expect("there was an attempt")
}

async fn connected(leg: Box<dyn CallLeg>, phone: &DirectTelephony) -> (Side, Side) {
    let mut agent = Side::new(leg);
    let incoming = timeout(Duration::from_secs(20), phone.next_call()).await.expect("it rings").unwrap();
    let mut person = Side::new(incoming.leg);
    person.leg.answer().await.unwrap();
    tokio::join!(agent.answered(), person.answered());
    (agent, person)
}

async fn what_is_said_is_heard_whole_in_order_and_soon_on_both_sides(world: Arc<World>) {
    let Measured { out, back, quality, undisturbed } = measured(world.telephony.as_ref()).await;
    let direct = measured(&phone().await).await;
    eprintln!(
        "one way, ms: to the telephone {:.0} (direct {:.0}), to the agent {:.0} (direct {:.0}); undisturbed: {}",
        out.median_ms(),
        direct.out.median_ms(),
        back.median_ms(),
        direct.back.median_ms(),
        undisturbed && direct.undisturbed,
    );
    // A machine that ticks when it can tells nothing but that there is a way at all.
    let least = if undisturbed { CHIRPS } else { 1 };
    for heard in [&out, &back] {
        // Chirps are of different pitches, so that one in another's place resembles it little.
        assert!(heard.whole() >= least, "{heard:?}");
        assert!(!undisturbed || heard.median_ms() < 350.0, "{heard:?}");
    }
    assert!(!undisturbed || quality.packets_lost == 0, "{quality:?}");
}
