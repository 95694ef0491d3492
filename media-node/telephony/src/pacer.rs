//! The 20 ms clock of a call.
//!
//! Deadlines are absolute, so that the clock does not drift by what each tick costs. A tick that
//! was missed is gone: catching up would push a burst into the far end's jitter buffer and delay
//! the rest of the call.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// One tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Counts periods since the start, including the missed ones.
    pub index: u64,
    /// How long after its deadline it came.
    pub lateness: Duration,
    /// Ticks left out just before this one.
    pub missed: u64,
}

/// Ticks at absolute deadlines.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    schedule: Schedule,
}

impl Pacer {
    /// A clock whose first tick is due now.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        Self { start: Instant::now(), schedule: Schedule::new(period) }
    }

    /// Waits for the next tick. Cancel-safe.
    pub async fn tick(&mut self) -> Tick {
        sleep_until(self.start + self.schedule.deadline()).await;
        self.schedule.take(self.start.elapsed())
    }

    /// Ticks missed since the start.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.schedule.missed
    }
}

/// The arithmetic, in time since the start.
#[derive(Debug)]
struct Schedule {
    period: Duration,
    next: u64,
    missed: u64,
}

impl Schedule {
    fn new(period: Duration) -> Self {
        Self { period: period.max(Duration::from_micros(1)), next: 0, missed: 0 }
    }

    fn deadline(&self) -> Duration {
        self.at(self.next)
    }

    /// The tick to deliver at `elapsed`: the latest one that is due.
    fn take(&mut self, elapsed: Duration) -> Tick {
        let due = u64::try_from(elapsed.as_nanos() / self.period.as_nanos()).unwrap_or(self.next);
        let index = due.max(self.next);
        let missed = index - self.next;
        self.missed += missed;
        self.next = index + 1;
        Tick { index, lateness: elapsed.saturating_sub(self.at(index)), missed }
    }

    fn at(&self, index: u64) -> Duration {
        let nanos = self.period.as_nanos().saturating_mul(u128::from(index));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(20);

    #[test]
    fn late_ticks_do_not_move_the_later_deadlines() {
        let mut schedule = Schedule::new(PERIOD);
        for index in 0..1_000 {
            let late = Duration::from_millis(index % 19);
            let tick = schedule.take(schedule.deadline() + late);
            assert_eq!(tick, Tick { index, lateness: late, missed: 0 });
        }
        assert_eq!(schedule.deadline(), PERIOD * 1_000);
    }

    #[test]
    fn a_stall_drops_ticks_instead_of_bursting() {
        let mut schedule = Schedule::new(PERIOD);
        schedule.take(Duration::ZERO);
        let tick = schedule.take(Duration::from_millis(107));
        assert_eq!(tick, Tick { index: 5, lateness: Duration::from_millis(7), missed: 4 });
        assert_eq!(schedule.deadline(), Duration::from_millis(120));
        assert_eq!(schedule.missed, 4);
    }

    #[test]
    fn a_process_that_was_stopped_for_three_seconds_gets_one_tick_and_goes_on_in_time() {
        let mut schedule = Schedule::new(PERIOD);
        schedule.take(Duration::ZERO);
        let stopped = Duration::from_secs(3);
        assert_eq!(schedule.take(stopped), Tick { index: 150, lateness: Duration::ZERO, missed: 149 });
        for index in 151..200 {
            assert_eq!(schedule.deadline(), PERIOD * u32::try_from(index).unwrap());
            assert_eq!(schedule.take(schedule.deadline()).missed, 0);
        }
    }

    #[tokio::test]
    async fn ten_ticks_take_two_hundred_milliseconds() {
        let started = Instant::now();
        let mut pacer = Pacer::new(PERIOD);
        while pacer.tick().await.index < 10 {}
        let took = started.elapsed();
        assert!((200..260).contains(&took.as_millis()), "{took:?}");
    }
}
