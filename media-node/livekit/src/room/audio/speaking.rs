//! Our voice: frames in at the session's pace, packets of one unbroken time line out.

use super::opus::{Encoder, FRAME};
use std::time::Instant;
use talkif_telephony::FRAME as TICK;

/// The session's clock may be late by so many ticks before the time line follows the real time.
const SLACK_TICKS: u64 = 2;
const FRAME_UNITS: u32 = 960;

/// A packet to send.
#[derive(Debug, Clone, Copy)]
pub(in crate::room) struct Spoken<'a> {
    /// On a line that does not wrap.
    pub(in crate::room) sequence: u64,
    pub(in crate::room) timestamp: u32,
    /// The first packet, or the first after a pause.
    pub(in crate::room) marker: bool,
    pub(in crate::room) payload: &'a [u8],
}

/// The sending side of a leg.
pub(in crate::room) struct Speaking {
    encoder: Encoder,
    sequence: u64,
    timestamp: u32,
    /// When the first frame came, and how many ticks the time line has since advanced.
    started: Option<Instant>,
    ticks: u64,
    resumes: bool,
}

impl Speaking {
    /// A stream that starts at these numbers; `sequence` below 2^15, as SRTP wants it.
    pub(in crate::room) fn new(encoder: Encoder, sequence: u16, timestamp: u32) -> Self {
        Self {
            encoder,
            sequence: u64::from(sequence >> 1),
            timestamp,
            started: None,
            ticks: 0,
            resumes: true,
        }
    }

    /// The packet of this tick's frame.
    pub(in crate::room) fn packet(&mut self, frame: &[i16], now: Instant) -> Option<Spoken<'_>> {
        if frame.len() != FRAME {
            return None;
        }
        self.follow_the_clock(now);
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        let marker = std::mem::take(&mut self.resumes);
        self.sequence += 1;
        self.timestamp = self.timestamp.wrapping_add(FRAME_UNITS);
        self.ticks += 1;
        let payload = self.encoder.encode(frame)?;
        Some(Spoken { sequence, timestamp, marker, payload })
    }

    /// Ticks that the session's clock left out are time that passed: without them the far end
    /// would take all later packets for delayed ones.
    fn follow_the_clock(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(*self.started.get_or_insert(now));
        let due = u64::try_from(elapsed.as_micros() / TICK.as_micros()).unwrap_or(self.ticks);
        let behind = due.saturating_sub(self.ticks);
        if behind > SLACK_TICKS {
            let units = u32::try_from(behind).unwrap_or(u32::MAX).wrapping_mul(FRAME_UNITS);
            self.timestamp = self.timestamp.wrapping_add(units);
            self.ticks = due;
            self.resumes = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stamps(at_ms: &[u64]) -> Vec<(u64, u32, bool)> {
        let start = Instant::now();
        let mut speaking = Speaking::new(Encoder::new(), 20, u32::MAX - 960);
        let stamp = |ms: &u64| {
            let spoken = speaking.packet(&[0; FRAME], start + Duration::from_millis(*ms)).unwrap();
            (spoken.sequence, spoken.timestamp, spoken.marker)
        };
        at_ms.iter().map(stamp).collect()
    }

    #[test]
    fn ticks_a_little_late_keep_an_unbroken_time_line() {
        let line = stamps(&[0, 21, 59, 60]);
        assert_eq!(
            line,
            [(10, u32::MAX - 960, true), (11, u32::MAX, false), (12, 959, false), (13, 1_919, false)]
        );
    }

    #[test]
    fn ticks_that_were_left_out_are_time_that_passed_and_no_packets() {
        let line = stamps(&[0, 20, 200, 220]);
        assert_eq!(line[2], (12, line[1].1.wrapping_add(960 * 9), true));
        assert_eq!(line[3], (13, line[2].1.wrapping_add(960), false));
    }

    #[test]
    fn a_frame_of_another_length_is_not_sent() {
        let mut speaking = Speaking::new(Encoder::new(), 0, 0);
        assert!(speaking.packet(&[0; 160], Instant::now()).is_none());
    }
}
