use crate::recording::RecordingConfig;
use std::sync::Arc;
use std::time::SystemTime;
use talkif_call_engine::Tuning;
use talkif_providers::Providers;

/// Tells the time of day. Read once per call: within a call, time is monotonic.
pub type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What all sessions of a node share. Cheap to clone.
#[derive(Clone)]
pub struct SessionDeps {
    /// Recognisers, models and voices.
    pub providers: Arc<Providers>,
    /// Where recordings go; `None` records nothing, whatever the flow says.
    pub recording: Option<RecordingConfig>,
    /// The numbers the engine decides by.
    pub tuning: Tuning,
    /// Time of day.
    pub wall_clock: WallClock,
}

impl SessionDeps {
    /// Dependencies with the system's clock, the default tuning and no recordings.
    #[must_use]
    pub fn new(providers: Arc<Providers>) -> Self {
        Self { providers, recording: None, tuning: Tuning::default(), wall_clock: Arc::new(SystemTime::now) }
    }
}
