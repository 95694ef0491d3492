//! One call as a machine without IO: `engine.handle(input, now)`, then drain
//! [`Engine::poll`], then sleep until [`Engine::deadline`] and hand in [`io::Input::Wake`].
//!
//! The engine knows the flow, the turn, what was said and what was heard. It deliberately does
//! not know sockets, audio samples, clocks, randomness or a runtime: `now` is passed in, audio
//! is counted, never held. The same inputs at the same times give the same outputs, byte for
//! byte, which is what makes a call replayable ([`replay`]) and a flow simulable.
//!
//! Where to look: `calling` (the leg), `opening` (who picked up?), `listening` (the caller's
//! turn), `interrupting` (barge-in), `thinking` and `acting` (the model and its tools),
//! `speaking` (what is played), `transferring` (somebody else), `closing` (the end), `waking` (all deadlines). Each file's state
//! is an enum or struct of its own; deadlines are computed from it and never stored, so none
//! can be forgotten.
//!
//! To add an input or output: a variant in [`io`], its arm in `engine`, a scenario in `tests/`.

mod acting;
mod caller;
mod calling;
mod chunker;
mod closing;
mod config;
mod ending;
mod endpointing;
mod engine;
mod history;
mod interrupting;
pub mod io;
mod keypad;
mod listening;
mod mouth;
mod opening;
mod phrases;
mod position;
mod repetition;
mod speaking;
mod thinking;
mod tools;
mod transferring;
mod tuning;
mod turns;
mod utterance;
mod waking;
mod words;

pub use config::EngineConfig;
pub use engine::{Engine, replay};
pub use tuning::Tuning;
