//! How late packets come, compared with the fastest ones of the last seconds.

use std::collections::VecDeque;

/// Width of a histogram bucket: 5 ms, in samples.
const BUCKET: i64 = 40;
/// Buckets up to 160 ms; the last one holds everything beyond.
const BUCKETS: usize = 33;
/// Share of packets that should come in time. The rest is concealed: chasing the last percent
/// costs everybody delay all the time.
const IN_TIME: f64 = 0.97;
/// How much a packet's weight shrinks with each later one: half after about 3.5 s of packets.
const FORGET: f64 = 0.996;
/// The fastest packet is looked for in windows of a second …
const WINDOW_US: u64 = 1_000_000;
/// … of which so many are kept, so that the reference follows a drifting clock.
const WINDOWS: usize = 6;

/// Microseconds to samples at 8 kHz.
pub(super) fn to_samples(us: u64) -> i64 {
    i64::try_from(u128::from(us) * 8 / 1_000).unwrap_or(i64::MAX)
}

/// Statistics of one time line.
#[derive(Debug, Clone)]
pub(super) struct DelayTracker {
    histogram: [f64; BUCKETS],
    /// Start and least transit of each window.
    fastest: VecDeque<(u64, i64)>,
}

impl Default for DelayTracker {
    fn default() -> Self {
        Self { histogram: [0.0; BUCKETS], fastest: VecDeque::new() }
    }
}

impl DelayTracker {
    /// Notes a packet's transit, in samples.
    pub(super) fn observe(&mut self, transit: i64, now_us: u64) {
        match self.fastest.back_mut() {
            Some((start, least)) if now_us < *start + WINDOW_US => *least = transit.min(*least),
            _ => self.fastest.push_back((now_us, transit)),
        }
        if self.fastest.len() > WINDOWS {
            self.fastest.pop_front();
        }
        let late = self.least_transit().map_or(0, |least| transit - least);
        let bucket = usize::try_from(late / BUCKET).unwrap_or(0).min(BUCKETS - 1);
        for (index, weight) in self.histogram.iter_mut().enumerate() {
            *weight = *weight * FORGET + if index == bucket { 1.0 - FORGET } else { 0.0 };
        }
    }

    /// The delay, in samples, within which nearly all packets come. One frame of room on top,
    /// because packets are as long as a frame and the reader's ticks fall anywhere between them.
    pub(super) fn target(&self) -> i64 {
        let all: f64 = self.histogram.iter().sum();
        let mut so_far = 0.0;
        let mut buckets = 0;
        for weight in self.histogram {
            so_far += weight;
            buckets += 1;
            if so_far >= all * IN_TIME {
                break;
            }
        }
        buckets * BUCKET + super::FRAME
    }

    /// The position that the fastest packet would have if it arrived at `now_us`.
    pub(super) fn expected_position(&self, now_us: u64) -> Option<i64> {
        self.least_transit().map(|least| to_samples(now_us) - least)
    }

    fn least_transit(&self) -> Option<i64> {
        self.fastest.iter().map(|(_, least)| *least).min()
    }
}
