//! What a process that slept says when it wakes: at first nothing.
//!
//! One that was stopped for longer than a lease may have lost its calls to another node. It hears
//! of that within moments, but has frames of speech to send before.

use std::time::Duration;
use talkif_call_engine::io::Time;
use talkif_telephony::{FRAME, Tick};

/// Nobody is taken for asleep, or for dead, before that.
const ASLEEP: Duration = Duration::from_secs(10);
/// Leases are asked after, and answered for, within this.
const WAKING_MS: u64 = 1_000;

/// Knows whether the process slept a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Waking {
    until: Option<Time>,
}

impl Waking {
    /// Whether the agent must not speak in the frame of `tick`, which is due `now`.
    pub(crate) fn is_mute(&mut self, tick: Tick, now: Time) -> bool {
        if FRAME.saturating_mul(u32::try_from(tick.missed).unwrap_or(u32::MAX)) >= ASLEEP {
            self.until = Some(now.plus_ms(WAKING_MS));
        }
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tick(missed: u64) -> Tick {
        Tick { index: 0, lateness: Duration::ZERO, missed }
    }

    #[test]
    fn only_a_long_sleep_is_followed_by_a_second_of_silence() {
        let (mut waking, now) = (Waking::default(), Time(5_000_000));
        assert!(!waking.is_mute(tick(0), now) && !waking.is_mute(tick(300), now));
        assert!(waking.is_mute(tick(500), now));
        assert!(waking.is_mute(tick(0), now.plus_ms(980)));
        assert!(!waking.is_mute(tick(0), now.plus_ms(1_000)));
    }
}
