#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "test lines are short"
)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A line in virtual time: packets with arrival times, a reader that pulls every 20 ms.
#[derive(Default)]
struct Line {
    buffer: JitterBuffer,
    arrivals: BTreeMap<(u64, usize), Packet>,
}

#[derive(Clone)]
struct Packet {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    samples: Vec<i16>,
}

/// Packet `n` of a stream of 20 ms packets holds the value n + 1, loud enough not to be silence.
fn packet(n: u64) -> Packet {
    Packet {
        sequence: 65_000_u16.wrapping_add(n as u16),
        timestamp: (u32::MAX - 1_000).wrapping_add(160 * n as u32),
        ssrc: 1,
        samples: vec![1_000 + n as i16; 160],
    }
}

impl Line {
    fn arrive(&mut self, at_ms: u64, packet: Packet) {
        let n = self.arrivals.len();
        self.arrivals.insert((at_ms * 1_000, n), packet);
    }

    /// Pulls `frames` frames; the reader's ticks lie 7 ms after the sender's.
    fn play(&mut self, frames: u64) -> Vec<(Frame, i16)> {
        (0..frames).map(|n| self.tick(n * 20_000 + 7_000)).collect()
    }

    fn tick(&mut self, now_us: u64) -> (Frame, i16) {
        let later = self.arrivals.split_off(&(now_us + 1, 0));
        for ((at, _), packet) in std::mem::replace(&mut self.arrivals, later) {
            let Packet { sequence, timestamp, ssrc, ref samples } = packet;
            self.buffer.push(Arrival { sequence, timestamp, ssrc, samples }, at);
        }
        let mut frame = [0; 160];
        let kind = self.buffer.pull(now_us, &mut frame);
        (kind, frame[0])
    }
}

fn played(frames: &[(Frame, i16)]) -> Vec<i16> {
    frames.iter().filter(|(kind, _)| *kind == Frame::Audio).map(|(_, value)| *value).collect()
}

fn lost(frames: &[(Frame, i16)]) -> usize {
    frames.iter().filter(|(kind, _)| *kind == Frame::Lost).count()
}

#[test]
fn a_steady_stream_is_played_whole_and_soon_across_all_wraps() {
    let mut line = Line::default();
    for n in 0..1_000 {
        line.arrive(n * 20, packet(n));
    }
    let frames = line.play(1_000);
    let heard = played(&frames);
    assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap, no repetition");
    assert_eq!(lost(&frames), 0);
    let first = frames.iter().position(|(kind, _)| *kind == Frame::Audio).unwrap();
    assert!(first <= 2, "buffered for at most 40 ms, not {first} frames");
    assert!(line.buffer.depth_ms() <= 40.0, "{}", line.buffer.depth_ms());
}

#[test]
fn reordered_packets_are_played_in_order_and_duplicates_once() {
    let mut line = Line::default();
    for n in 0..200 {
        let swapped = if n % 10 == 4 { 22 } else { 0 };
        line.arrive(n * 20 + swapped, packet(n));
        if n % 7 == 0 {
            line.arrive(n * 20 + 1, packet(n));
        }
    }
    let heard = played(&line.play(200));
    assert!(heard.is_sorted_by(|a, b| a < b));
    assert!(heard.len() > 185, "{}", heard.len());
    let counters = line.buffer.counters();
    assert!(counters.duplicates >= 28, "{counters:?}");
    assert_eq!(counters.lost, 0);
}

#[test]
fn a_lost_packet_is_one_lost_frame() {
    let mut line = Line::default();
    for n in (0..300).filter(|n| n % 50 != 25) {
        line.arrive(n * 20, packet(n));
    }
    let frames = line.play(298);
    assert_eq!(lost(&frames), 6);
    assert_eq!(line.buffer.counters().lost, 6);
    assert_eq!(line.buffer.counters().late, 0);
}

#[test]
fn jitter_deepens_the_buffer_until_nothing_is_late_and_calm_makes_it_shallow_again() {
    let mut line = Line::default();
    let jitter = |n: u64| (n * 7_919) % 61;
    for n in 0..1_000 {
        line.arrive(n * 20 + jitter(n), packet(n));
    }
    line.play(1_000);
    assert!((60..=120).contains(&line.buffer.target_ms()), "{}", line.buffer.target_ms());
    let late_before = line.buffer.counters().late;
    for n in 1_000..2_000 {
        // Silent packets: the buffer may shrink in them.
        line.arrive(n * 20 + jitter(n), Packet { samples: vec![0; 160], ..packet(n) });
    }
    for n in 1_000..2_000 {
        line.tick(n * 20_000 + 7_000);
    }
    assert!(line.buffer.counters().late - late_before <= 30, "{:?}", line.buffer.counters());
    assert!(line.buffer.jitter_ms() > 5.0);
    for n in 2_000..4_000 {
        line.arrive(n * 20, Packet { samples: vec![0; 160], ..packet(n) });
    }
    for n in 2_000..4_000 {
        line.tick(n * 20_000 + 7_000);
    }
    assert!(line.buffer.target_ms() <= 30, "{}", line.buffer.target_ms());
    assert!(line.buffer.depth_ms() <= 60.0, "{}", line.buffer.depth_ms());
    assert!(line.buffer.jitter_ms() < 1.0);
}

/// Ten minutes of a sender whose clock is off by `ppm`, with a pause in its speech every second.
fn drifting(ppm: i64) -> Line {
    let mut line = Line::default();
    for n in 0..30_000_u64 {
        let at_us = (n as i64 * 20_000 + n as i64 * 20_000 * ppm / 1_000_000) as u64;
        let value = if n % 50 < 10 { 0 } else { 2_000 };
        let packet = Packet { samples: vec![value; 160], ..packet(n) };
        line.arrivals.insert((at_us, n as usize), packet);
    }
    line
}

#[test]
fn a_fast_senders_clock_is_followed_by_dropping_silence() {
    let mut line = drifting(-200);
    let frames = line.play(29_900);
    let counters = line.buffer.counters();
    assert!((4..=12).contains(&counters.dropped_frames), "{counters:?}");
    assert_eq!((counters.late, counters.resets), (0, 0));
    assert!(line.buffer.depth_ms() < 70.0, "{}", line.buffer.depth_ms());
    assert!(lost(&frames) <= 1);
}

#[test]
fn a_slow_senders_clock_is_followed_by_inserting_silence() {
    let mut line = drifting(200);
    let frames = line.play(29_900);
    let counters = line.buffer.counters();
    assert!((4..=12).contains(&counters.inserted_frames), "{counters:?}");
    assert!(lost(&frames) <= 4, "{}", lost(&frames));
    assert_eq!(counters.resets, 0);
}

#[test]
fn a_new_ssrc_and_a_jump_in_time_are_played_on_at_once() {
    for (ssrc, jump) in [(9, 0), (1, 1_000_000), (1, u32::MAX - 1_000_000)] {
        let mut line = Line::default();
        for n in 0..100 {
            line.arrive(n * 20, packet(n));
        }
        for n in 100..200 {
            let moved = packet(n).timestamp.wrapping_add(jump);
            line.arrive(n * 20, Packet { ssrc, timestamp: moved, ..packet(n) });
        }
        let frames = line.play(200);
        assert!(played(&frames).len() >= 194, "{ssrc} {jump}: {}", played(&frames).len());
        assert_eq!(line.buffer.counters().resets, 1, "{ssrc} {jump}");
    }
}

#[test]
fn small_steps_of_the_senders_time_are_followed() {
    for step in [-4_000_i64, 4_000] {
        let mut line = Line::default();
        for n in 0..100 {
            line.arrive(n * 20, packet(n));
        }
        for n in 100..300 {
            let timestamp = packet(n).timestamp.wrapping_add(step as u32);
            line.arrive(n * 20, Packet { timestamp, ..packet(n) });
        }
        let frames = line.play(300);
        assert!(played(&frames[120..]).len() >= 170, "{step}: {}", played(&frames[120..]).len());
        assert!(line.buffer.depth_ms() <= 140.0, "{step}: {}", line.buffer.depth_ms());
    }
}

#[test]
fn a_pause_of_the_sender_is_silence_and_its_return_is_played() {
    let mut line = Line::default();
    for n in (0..50).chain(300..350) {
        line.arrive(n * 20, packet(n));
    }
    let frames = line.play(360);
    assert!(frames[70..290].iter().all(|(kind, _)| *kind == Frame::Silence));
    assert_eq!(played(&frames[295..]).len(), 50);
    assert_eq!(line.buffer.counters().lost, 250, "its sequence numbers went on");
}

#[test]
fn a_delay_spike_loses_nothing_but_time() {
    let mut line = Line::default();
    for n in 0..500 {
        let at = if (200..204).contains(&n) { 204 * 20 } else { n * 20 };
        line.arrive(at, packet(n));
    }
    let heard = played(&line.play(500));
    assert!(heard.len() >= 492, "{}", heard.len());
}

#[test]
fn a_frame_that_is_not_whole_holds_no_sound() {
    let mut line = Line::default();
    for n in 0..5 {
        // 25 ms: the stream ends in the middle of a frame.
        let samples = vec![1_000; 200];
        let timestamp = 200 * n as u32;
        line.arrive(n * 25, Packet { sequence: n as u16, timestamp, ssrc: 1, samples });
    }
    let frames = line.play(20);
    assert!(frames.iter().any(|(kind, _)| *kind == Frame::Lost));
    assert!(frames.iter().all(|(kind, sample)| *kind == Frame::Audio || *sample == 0), "{frames:?}");
}

#[test]
fn packets_of_10_30_and_60_ms_are_cut_into_frames() {
    for length in [80_u64, 240, 480] {
        let mut line = Line::default();
        let count = 48_000 / length;
        for n in 0..count {
            let timestamp = (n * length) as u32;
            let samples = vec![2_000; length as usize];
            line.arrive(n * length / 8, Packet { sequence: n as u16, timestamp, ssrc: 1, samples });
        }
        let frames = line.play(295);
        assert_eq!(lost(&frames[20..]), 0, "{length}");
        assert!(played(&frames).len() >= 285, "{length}: {}", played(&frames).len());
    }
}

proptest! {
    #[test]
    fn any_packets_at_any_times_never_panic(packets in proptest::collection::vec(
        (any::<u16>(), any::<u32>(), 0..3_u32, 0..500_usize, 0..100_000_u64), 0..200)) {
        let mut buffer = JitterBuffer::default();
        let mut now = 0;
        let mut frame = [0; 160];
        for (sequence, timestamp, ssrc, length, wait) in packets {
            now += wait;
            buffer.push(Arrival { sequence, timestamp, ssrc, samples: &vec![1; length] }, now);
            buffer.pull(now, &mut frame);
        }
        prop_assert!(buffer.depth_ms() <= 1_100.0);
    }

    #[test]
    fn random_loss_and_jitter_never_plays_out_of_order(seed in any::<u64>()) {
        let mut line = Line::default();
        let mut state = seed | 1;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for n in 0..400 {
            if random() % 20 != 0 {
                line.arrive(n * 20 + random() % 50, packet(n));
            }
        }
        let heard = played(&line.play(400));
        prop_assert!(heard.is_sorted(), "{heard:?}");
        prop_assert!(heard.len() > 300, "{}", heard.len());
    }
}
