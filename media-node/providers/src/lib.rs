//! Speech, model and voice: the ports a call needs, and one folder of adapter per vendor.
//!
//! A port ([`SttProvider`], [`LlmProvider`], [`TtsProvider`]) opens streams. A stream is a pair of
//! queues: what goes in never blocks the audio clock, what comes out is a closed enum. All
//! sockets, retries of one request and vendor shapes stay behind the port.
//!
//! This crate knows wire protocols. It deliberately does not know calls, turns, accounts or
//! telephone legs: whether a failure ends a call is the engine's decision, and reopening a
//! recogniser with a replay of the last audio is the session's.
//!
//! To add a vendor: a folder with a client that implements the port, a fake server in `tests/`
//! that speaks the vendor's protocol, and a line in [`ProvidersConfig`].

mod audio_queue;
pub mod cartesia;
pub mod deepgram;
mod error;
mod llm;
pub mod openai;
mod set;
mod stt;
mod tts;
mod usage;

pub use audio_queue::{AudioItem, SttAudio, SttAudioSource, audio_queue};
pub use error::ProviderError;
pub use llm::{LlmEvent, LlmProvider, LlmSettings, LlmStream};
pub use set::{Providers, ProvidersConfig};
pub use stt::{SttEvent, SttProvider, SttSettings, SttStream};
pub use tts::{TtsCommand, TtsEvent, TtsProvider, TtsSettings, TtsStream, TtsUnavailable};
pub use usage::{TokenUsage, Usage};
