//! Everything that goes into and comes out of the engine.

mod input;
mod output;
mod record;

pub use input::{Command, Input, LegEnd, Provider, TransferEnd};
pub use output::{Deadline, DeadlineReason, LlmRequest, Message, Output, ToolCall, ToolSpec};
pub use record::{Ending, Event, TransferState};

use serde::{Deserialize, Serialize};

/// Microseconds since the engine was made. Monotonic; the shell maps its own clock onto it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// From milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000)
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 / 1_000
    }

    /// This time and `ms` milliseconds.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0 + ms * 1_000)
    }

    /// Milliseconds from `earlier` to this time, 0 if it is later.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "calls last hours, not millennia")]
    pub const fn ms_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1_000.0
    }
}

/// Stamped on every request to the model and the voice and on all that comes back. Cancelling
/// is a comparison: what carries an older generation falls on the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// A word and where it lies, in milliseconds from the start of its utterance or speech.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The word with its punctuation.
    pub text: String,
    /// Start.
    pub start_ms: u64,
    /// End.
    pub end_ms: u64,
}
