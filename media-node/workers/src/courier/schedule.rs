//! When a delivery that failed is tried again. Pure.

use std::time::Duration;

/// Pauses before the attempts, the first one included: 75 hours in all.
const SCHEDULE: [Duration; 11] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(30),
    minutes(5),
    minutes(30),
    minutes(2 * 60),
    minutes(5 * 60),
    minutes(10 * 60),
    minutes(14 * 60),
    minutes(20 * 60),
    minutes(24 * 60),
];

/// The longest a receiver may ask us to stay away.
const LONGEST: Duration = minutes(24 * 60);

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// How long to wait after the `attempts`-th attempt failed, or `None` if that was the last.
/// `jitter` from -1 to 1 moves the pause by up to a fifth, so that receivers that went down
/// together are not woken together. A longer `retry_after` wins.
pub(super) fn pause(attempts: u32, jitter: f64, retry_after: Option<Duration>) -> Option<Duration> {
    let planned = SCHEDULE.get(usize::try_from(attempts).ok()?)?;
    let moved = planned.mul_f64(1.0 + 0.2 * jitter.clamp(-1.0, 1.0));
    Some(moved.max(retry_after.unwrap_or_default().min(LONGEST)))
}

/// Reads `Retry-After`: seconds, or a date (`now` in Unix seconds).
pub(super) fn retry_after(value: &str, now: i64) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    u64::try_from(date.timestamp().as_second() - now).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_delivery_is_dead() {
        let pauses: Vec<u64> = (1..=11).map_while(|n| pause(n, 0.0, None)).map(|p| p.as_secs()).collect();
        assert_eq!(pauses, [5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(pause(11, 0.0, None), None);
    }

    #[test]
    fn jitter_moves_a_pause_by_a_fifth_at_most() {
        assert_eq!(pause(1, -1.0, None), Some(Duration::from_secs(4)));
        assert_eq!(pause(1, 1.0, None), Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(1))), Some(Duration::from_secs(5)));
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(1 << 40))), Some(LONGEST));
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(retry_after("120", 0), Some(Duration::from_secs(120)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, 784_111_770), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(date, 784_111_780), None);
        assert_eq!(retry_after("soon", 0), None);
    }
}
