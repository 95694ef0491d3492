//! The agent: says what it hears, in many calls at once, and notes what that costs.

use crate::phone::request;
use crate::usage::Usage;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_livekit::LiveKitTelephony;
use talkif_telephony::{FRAME, LegEvent, Pacer, Telephony};

/// Between the beginnings of calls.
const APART: Duration = Duration::from_millis(100);
/// Until all calls have been answered.
const SETTLING: Duration = Duration::from_secs(5);
/// A frame that is so late is one.
const LATE_US: u128 = 5_000;

/// Echoes for `seconds` in `calls` calls, and prints one line.
pub(crate) async fn run(telephony: Arc<LiveKitTelephony>, phone: SocketAddr, calls: usize, seconds: u64) {
    telephony.ready().await;
    let idle = Usage::now();
    let begins = Instant::now() + APART * u32::try_from(calls).unwrap() + SETTLING;
    let until = begins + Duration::from_secs(seconds);
    let mut legs = Vec::new();
    for n in 0..calls {
        legs.push(tokio::spawn(echo(Arc::clone(&telephony), phone, n, begins..until)));
        tokio::time::sleep(APART).await;
    }
    tokio::time::sleep_until(begins.into()).await;
    let (begin, from) = (Usage::now(), Instant::now());
    tokio::time::sleep_until(until.into()).await;
    let (end, took) = (Usage::now(), from.elapsed().as_secs_f64());
    let legs: Vec<_> = futures::future::join_all(legs).await.into_iter().map(Result::unwrap).collect();
    let held = legs.iter().flatten().count();
    let mut late: Vec<u128> = legs.into_iter().flatten().flatten().collect();
    late.sort_unstable();
    let quantile =
        |per_mille: usize| late.get(late.len() * per_mille / 1_000).map_or(0.0, |us| *us as f64 / 1e3);
    let later = late.iter().filter(|us| **us > LATE_US).count();
    let share = |from: f64, to: f64| (to - from) / took * 100.0;
    println!(
        "{held} of {calls} calls: {:.2} % of a core and {:.2} MiB a call; {:.1} MiB idle, {:.1} MiB in all; \
         frames late by {:.1} ms (median), {:.1} ms (p99), {:.1} ms (p99.9), {later} of {} by more than 5 ms; \
         servers {:.0} %, machine {:.0} % of a core",
        share(begin.cpu, end.cpu) / held as f64,
        (end.memory - idle.memory) / held as f64,
        idle.memory,
        end.memory,
        quantile(500),
        quantile(990),
        quantile(999),
        late.len(),
        share(begin.servers, end.servers),
        share(begin.machine, end.machine),
    );
}

/// Holds one call; how late each frame was in that time, microseconds, or nothing if there was no
/// call.
async fn echo(
    telephony: Arc<LiveKitTelephony>,
    phone: SocketAddr,
    n: usize,
    counted: std::ops::Range<Instant>,
) -> Option<Vec<u128>> {
    let mut leg = telephony.dial(request(phone, n)).await.ok()?;
    loop {
        match leg.event().await {
            LegEvent::Answered => break,
            LegEvent::Ended { .. } => return None,
            LegEvent::Ringing | LegEvent::Dtmf(_) => {}
        }
    }
    let mut pacer = Pacer::new(FRAME);
    let (mut frame, mut late) = ([0_i16; 960], Vec::new());
    while Instant::now() < counted.end {
        let tick = pacer.tick().await;
        if Instant::now() > counted.start {
            // A tick that was left out is a frame that came a whole tick too late.
            late.extend((0..tick.missed).map(|_| FRAME.as_micros()));
            late.push(tick.lateness.as_micros());
        }
        leg.receive(&mut frame);
        leg.send(&frame);
    }
    leg.hang_up();
    while !matches!(leg.event().await, LegEvent::Ended { .. }) {}
    Some(late)
}
