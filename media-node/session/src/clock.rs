//! The three times of a call: the runtime's instants, the engine's microseconds, and the time of
//! day for the record.

use std::time::{Duration, SystemTime};
use talkif_call_engine::io::Time;
use tokio::time::Instant;

/// Maps between them; all start together with the session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    wall_start: SystemTime,
}

impl Clock {
    pub(crate) fn start(wall_start: SystemTime) -> Self {
        Self { start: Instant::now(), wall_start }
    }

    pub(crate) fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_micros(time.0)
    }

    pub(crate) fn wall(&self, time: Time) -> SystemTime {
        self.wall_start + Duration::from_micros(time.0)
    }
}
