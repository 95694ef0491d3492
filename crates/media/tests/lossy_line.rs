//! Lines that lose, delay, double and reorder packets, in virtual time: what is played, and
//! whether the figures of quality say what happened.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use talkif_media::jitter::{Arrival, Frame, JitterBuffer};
use talkif_media::quality::{Observed, loss, mos};

/// Microseconds of a frame.
const FRAME_US: u64 = 20_000;
/// The reader's ticks lie this long after the sender's.
const PHASE_US: u64 = 7_000;

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A sender of 20 ms packets, packet `n` holding the value `n + 1`, and a reader.
#[derive(Default)]
struct Line {
    buffer: JitterBuffer,
    arrivals: BTreeMap<(u64, usize), u64>,
    /// Added to the sequence numbers of later packets.
    sequence_step: u16,
    step_from: u64,
    /// The sender pauses for breath: a quarter of its packets are silent.
    breathes: bool,
}

impl Line {
    fn arrive(&mut self, at_us: u64, n: u64) {
        let order = self.arrivals.len();
        self.arrivals.insert((at_us, order), n);
    }

    /// One tick of the reader; the first sample it hears, if it hears audio.
    fn tick(&mut self, now_us: u64) -> Option<u64> {
        let later = self.arrivals.split_off(&(now_us + 1, 0));
        for ((at, _), n) in std::mem::replace(&mut self.arrivals, later) {
            self.push(at, n);
        }
        let mut frame = [0; 160];
        let kind = self.buffer.pull(now_us, &mut frame);
        (kind == Frame::Audio).then(|| u64::try_from(frame[0] - 1_000).unwrap_or(0))
    }

    fn push(&mut self, at_us: u64, n: u64) {
        let step = if n >= self.step_from { self.sequence_step } else { 0 };
        let sequence = u16::try_from((n + 65_000) % 65_536).unwrap().wrapping_add(step);
        let timestamp = u32::try_from((u64::from(u32::MAX) - 5_000 + 160 * n) % (1 << 32)).unwrap();
        let silent = self.breathes && n % 20 < 5;
        let samples = if silent { [0; 160] } else { [i16::try_from(n % 20_000).unwrap() + 1_000; 160] };
        self.buffer.push(Arrival { sequence, timestamp, ssrc: 1, samples: &samples }, at_us);
    }

    fn play(&mut self, frames: std::ops::Range<u64>) -> Vec<Option<u64>> {
        frames.map(|n| self.tick(n * FRAME_US + PHASE_US)).collect()
    }

    fn mos(&self) -> f64 {
        let (jitter_ms, buffer_ms) = (self.buffer.jitter_ms(), self.buffer.depth_ms());
        mos(Observed { loss: loss(self.buffer.counters()), jitter_ms, buffer_ms, network_ms: 0.0 })
    }
}

/// A minute of a line that loses `percent` of the packets; the line and how many were lost.
fn lossy(percent: u64) -> (Line, u64) {
    let (mut line, mut dice, mut lost) = (Line::default(), Dice(42 + percent), 0);
    for n in 0..3_000 {
        // The first and the last packet come, so that all losses lie between them.
        if dice.below(100) < percent && n != 0 && n != 2_999 {
            lost += 1;
        } else {
            line.arrive(n * FRAME_US + dice.below(3_000), n);
        }
    }
    line.play(0..3_010);
    (line, lost)
}

#[test]
fn losses_are_counted_to_the_packet_and_heard_in_the_score() {
    let mut scores = Vec::new();
    for (percent, score) in [(0, 4.3..4.5), (1, 4.1..4.4), (5, 3.5..4.0), (20, 1.5..2.8), (50, 1.0..1.6)] {
        let (line, lost) = lossy(percent);
        let counters = line.buffer.counters();
        assert_eq!((counters.lost, counters.received), (lost, 3_000 - lost), "{percent} %");
        assert_eq!((counters.late, counters.resets, counters.duplicates), (0, 0, 0), "{percent} %");
        assert!(score.contains(&line.mos()), "{percent} %: {}", line.mos());
        scores.push(line.mos());
    }
    assert!(scores.is_sorted_by(|better, worse| better > worse), "{scores:?}");
}

#[test]
fn packets_after_their_time_are_late_and_not_lost() {
    let mut line = Line::default();
    for n in 0..1_000 {
        let late = if n % 100 == 50 { 400_000 } else { 0 };
        line.arrive(n * FRAME_US + late, n);
    }
    line.play(0..1_030);
    let counters = line.buffer.counters();
    assert_eq!((counters.late, counters.lost, counters.received), (10, 0, 1_000));
    assert!((loss(counters) - 0.01).abs() < 1e-9);
}

#[test]
fn doubled_and_swapped_packets_cost_nothing_once_the_sender_has_paused_for_breath() {
    let mut line = Line { breathes: true, ..Line::default() };
    for n in 0..1_000_u64 {
        let swapped = if n % 10 == 3 { 2 * FRAME_US - 1_000 } else { 0 };
        line.arrive(n * FRAME_US + swapped, n);
        line.arrive(n * FRAME_US + swapped + 500, n);
    }
    line.play(0..1_010);
    let counters = line.buffer.counters();
    assert_eq!((counters.received, counters.lost), (1_000, 0));
    assert!(counters.late <= 3, "until the buffer has learned it: {counters:?}");
    assert!(line.mos() > 4.2, "{}", line.mos());
}

#[test]
fn jitter_is_measured_as_rfc_3550_says() {
    let mut line = Line::default();
    for n in 0..2_000_u64 {
        line.arrive(n * FRAME_US + (n % 2) * 10_000, n);
    }
    line.play(0..2_010);
    // Every interval differs from 20 ms by 10 ms.
    assert!((line.buffer.jitter_ms() - 10.0).abs() < 0.5, "{}", line.buffer.jitter_ms());
}

#[test]
fn a_sender_that_counts_anew_has_lost_nothing() {
    let mut line = Line { sequence_step: 30_000, step_from: 500, ..Line::default() };
    for n in (0..1_000).filter(|n| n % 100 != 70) {
        line.arrive(n * FRAME_US, n);
    }
    let heard = line.play(0..1_010);
    let counters = line.buffer.counters();
    assert_eq!(counters.lost, 10, "only those that are missing on either side of the step");
    assert!(heard.iter().flatten().count() > 980);
    assert!(line.mos() > 4.0, "{}", line.mos());
}

#[test]
fn sequence_numbers_wrap_as_often_as_they_like() {
    let mut line = Line::default();
    for n in (0..140_000).filter(|n| n % 7_000 != 6_999) {
        line.arrive(n * FRAME_US, n);
    }
    line.play(0..140_000);
    assert_eq!(line.buffer.counters().lost, 19, "the twentieth is the last packet");
    assert_eq!(line.buffer.counters().resets, 0);
}

/// The reader stops for three seconds. The kernel keeps the first `kept` packets of that time.
fn stopped(kept: u64) -> (Line, Vec<Option<u64>>) {
    const STOP: u64 = 100;
    const GO: u64 = 250;
    let mut line = Line::default();
    for n in (0..STOP).chain(GO..400) {
        line.arrive(n * FRAME_US, n);
    }
    line.play(0..STOP);
    // What the kernel kept is read all at once, when the process goes on.
    for n in STOP..(STOP + kept).min(GO) {
        line.arrive(GO * FRAME_US + PHASE_US - 1, n);
    }
    let heard = line.play(GO..400);
    (line, heard)
}

#[test]
fn a_reader_that_was_stopped_for_three_seconds_is_back_in_time_within_fifth_of_a_second() {
    for kept in [0, 90, 150] {
        let (line, heard) = stopped(kept);
        for (tick, heard) in (250..).zip(&heard).skip(10) {
            let heard = heard.unwrap_or_else(|| panic!("{kept}: nothing at {tick}"));
            let behind = tick - heard;
            assert!(behind <= 8, "{kept}: {} ms old at tick {tick}", behind * 20);
        }
        assert!(line.buffer.depth_ms() <= 140.0, "{kept}: {}", line.buffer.depth_ms());
        let repeated =
            heard.windows(2).any(|pair| pair[0].is_some() && pair[0] > pair[1] && pair[1].is_some());
        assert!(!repeated, "{kept}: time never runs backwards");
    }
}

#[test]
fn a_hold_of_a_minute_is_silence_and_no_loss_if_the_sender_counts_on() {
    let mut line = Line::default();
    for n in 0..200 {
        line.arrive(n * FRAME_US, n);
    }
    line.play(0..3_200);
    assert_eq!(line.buffer.counters().lost, 0);
    // After the hold the timestamps have gone on and the sequence numbers have not.
    line.sequence_step = 0_u16.wrapping_sub(3_000);
    line.step_from = 3_200;
    for n in 3_200..3_400 {
        line.arrive(n * FRAME_US, n);
    }
    let heard = line.play(3_200..3_400);
    assert!(heard.iter().flatten().count() > 190, "{}", heard.iter().flatten().count());
    assert_eq!(line.buffer.counters().lost, 0);
}
