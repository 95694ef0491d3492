//! How punctually a call's frames went out, for the trace: the share of late frames, and how soon
//! the agent fell silent when it was told to.
//!
//! It only counts. It knows neither the clock nor the wire; the loop of the call tells it both.

use std::time::Duration;
use talkif_call_engine::io::Time;
use talkif_telephony::Tick;

/// A frame handed to the wire later than this after its deadline is late: a far jitter buffer
/// hides less.
const LATE: Duration = Duration::from_millis(5);

/// The counts over the answered part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Punctuality {
    /// Frames that were due.
    pub(crate) frames: u64,
    /// Those of them that went out late or never.
    pub(crate) late: u64,
    /// The longest time from an order to stop or to pause to the first frame without that speech.
    pub(crate) silence_ms: Option<u64>,
    ordered: Option<Time>,
}

impl Punctuality {
    /// A frame has been handed to the wire, `after` the tick that it belongs to was delivered.
    pub(crate) fn sent(&mut self, tick: Tick, after: Duration) {
        // What was missed before the first frame was due before the answer.
        let missed = if self.frames == 0 { 0 } else { tick.missed };
        self.frames += 1 + missed;
        self.late += missed + u64::from(tick.lateness + after > LATE);
    }

    /// Speech is to stop. An order that comes while another is being obeyed changes nothing.
    pub(crate) fn silence_ordered(&mut self, now: Time) {
        self.ordered.get_or_insert(now);
    }

    /// The frame that has just gone out holds nothing of the stopped speech. Returns when the
    /// order came that this obeys.
    pub(crate) fn silence_kept(&mut self, now: Time) -> Option<Time> {
        let ordered = self.ordered.take()?;
        let took = now.0.saturating_sub(ordered.0).div_ceil(1_000);
        self.silence_ms = self.silence_ms.max(Some(took));
        Some(ordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tick(lateness_ms: u64, missed: u64) -> Tick {
        Tick { index: 0, lateness: Duration::from_millis(lateness_ms), missed }
    }

    #[test]
    fn a_frame_is_late_beyond_five_milliseconds_and_a_missed_one_always() {
        let mut frames = Punctuality::default();
        frames.sent(tick(5, 7), Duration::ZERO);
        assert_eq!((frames.frames, frames.late), (1, 0), "what was missed before the answer is not counted");
        frames.sent(tick(6, 0), Duration::ZERO);
        assert_eq!((frames.frames, frames.late), (2, 1));
        frames.sent(tick(0, 3), Duration::ZERO);
        assert_eq!((frames.frames, frames.late), (6, 4));
    }

    #[test]
    fn the_work_between_the_tick_and_the_wire_counts() {
        let mut frames = Punctuality::default();
        frames.sent(tick(3, 0), Duration::from_millis(3));
        assert_eq!(frames.late, 1);
    }

    #[test]
    fn the_longest_way_to_silence_is_kept_and_a_second_order_does_not_shorten_it() {
        let mut frames = Punctuality::default();
        assert_eq!(frames.silence_kept(Time(1)), None);
        assert_eq!(frames.silence_ms, None, "nothing was ordered");
        frames.silence_ordered(Time(1_000));
        frames.silence_ordered(Time(20_000));
        assert_eq!(frames.silence_kept(Time(31_500)), Some(Time(1_000)));
        assert_eq!(frames.silence_ms, Some(31));
        frames.silence_ordered(Time(100_000));
        frames.silence_kept(Time(110_000));
        assert_eq!(frames.silence_ms, Some(31));
    }
}
