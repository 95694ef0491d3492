//! One call: the engine, its leg and its providers on a 20 ms clock, with recording.
//!
//! [`Session::run`] holds a call from the first ring to the last report. [`job`] is what the
//! workers hand in and what a session reports while it runs. Inside, `call` is the one loop:
//! it turns the world into engine inputs and performs engine outputs. Around it, `ears`, `brain`
//! and `mouth` keep a recogniser, a model and a voice alive; `playout` counts what was really
//! played; `listener` measures the caller's speech; `transfer` puts a caller through, to `music`.
//!
//! A session decides nothing about the conversation (that is the engine's part), writes to no
//! database (it reports), and knows no vendor and no SIP.
//!
//! To perform a new engine output: an arm in `call::Call::perform`. To feed a new input: a source
//! in `call::Happened`.

mod brain;
mod call;
mod clock;
mod deps;
mod ears;
mod endings;
pub mod job;
mod journal;
mod listener;
mod mouth;
mod music;
mod particulars;
mod playout;
mod prepare;
mod punctuality;
pub mod recording;
mod session;
mod transfer;
mod waking;

pub use deps::{SessionDeps, WallClock};
pub use recording::{RecordingConfig, RecordingKey};
pub use session::Session;
