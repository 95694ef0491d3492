//! The time of day, as the region's database tells it.
//!
//! Leases, windows and deadlines are judged by the database's clock, so what a node writes down
//! and signs must be by the same one: with its own an hour slow, every call it answers would look
//! stuck to the janitors, and with its own an hour fast no receiver would believe its webhooks.
//! Between two answers of the database the monotonic clock goes on, which does not jump.

use crate::fresh;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// An answer that took longer does not say when it was given.
const PROMPT: Duration = Duration::from_secs(1);

/// Tells the time of day to everything in a node. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct RegionClock {
    told: Arc<Mutex<Option<Told>>>,
    own: fn() -> SystemTime,
}

/// What the database said, and when by the clock that does not jump.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    us: i64,
}

impl Default for RegionClock {
    fn default() -> Self {
        Self::until_told(SystemTime::now)
    }
}

impl RegionClock {
    /// Tells the time of `own` until the database has told it.
    #[must_use]
    pub fn until_told(own: fn() -> SystemTime) -> Self {
        Self { told: Arc::default(), own }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(u64::try_from(self.now_us()).unwrap_or_default())
    }

    /// Now, in microseconds since 1970.
    pub(crate) fn now_us(&self) -> i64 {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.map_or_else(|| fresh::unix_us((self.own)()), |told| told.us + micros(told.at.elapsed()))
    }

    /// The database, asked at `asked` and heard just now, said `us`.
    pub(crate) fn learn(&self, asked: Instant, us: i64) {
        let took = asked.elapsed();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none() || took < PROMPT {
            *told = Some(Told { at: asked + took / 2, us });
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn slow() -> SystemTime {
        SystemTime::now() - Duration::from_secs(3_600)
    }

    fn is_near(left_us: i64, right_us: i64) -> bool {
        left_us.abs_diff(right_us) < 60_000_000
    }

    #[test]
    fn until_the_database_has_told_the_time_the_nodes_own_clock_does() {
        let clock = RegionClock::until_told(slow);
        assert!(is_near(clock.now_us() + HOUR_US, fresh::now_us()));
    }

    #[test]
    fn the_databases_time_goes_on_by_the_clock_that_does_not_jump() {
        let clock = RegionClock::until_told(slow);
        clock.learn(Instant::now() - Duration::from_secs(600), 5 * HOUR_US);
        assert!(is_near(clock.now_us(), 5 * HOUR_US + 300_000_000));
        assert!(is_near(fresh::unix_us(clock.clone().now()), clock.now_us()), "clones tell the same time");
    }

    #[test]
    fn an_answer_that_took_long_is_believed_only_where_there_is_none() {
        let clock = RegionClock::default();
        clock.learn(Instant::now(), 5 * HOUR_US);
        clock.learn(Instant::now() - Duration::from_secs(600), 9 * HOUR_US);
        assert!(is_near(clock.now_us(), 5 * HOUR_US));
        clock.learn(Instant::now(), 6 * HOUR_US);
        assert!(is_near(clock.now_us(), 6 * HOUR_US));
    }
}
