//! What is new each time: the wall clock and random ids. The pure parts take these as values.

use rand::RngCore;
use std::time::{SystemTime, UNIX_EPOCH};
use talkif_model::{CallId, EventId};

/// Microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    unix_us(SystemTime::now())
}

/// Microseconds since 1970 at `time`; 0 before that.
pub(crate) fn unix_us(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(us: i64) -> String {
    let seconds = us.div_euclid(1_000_000);
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

fn now_ms() -> u64 {
    u64::try_from(now_us() / 1_000).unwrap_or(0)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

pub(crate) fn call_id() -> CallId {
    CallId::new(now_ms(), random())
}

pub(crate) fn event_id() -> EventId {
    EventId::new(now_ms(), random())
}

/// 16 hex digits, W3C.
pub(crate) fn span_id() -> String {
    hex::encode(random::<8>())
}

/// 32 hex digits, W3C.
pub(crate) fn trace_id() -> String {
    hex::encode(random::<16>())
}

/// From -1 to 1, evenly.
pub(crate) fn jitter() -> f64 {
    f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX) * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_to_the_second() {
        assert_eq!(rfc3339(1_779_797_163_999_999), "2026-05-26T12:06:03Z");
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        assert!((0..1000).map(|_| jitter()).all(|value| (-1.0..=1.0).contains(&value)));
    }
}
