//! Cartesia's voice: one WebSocket for a whole call, one context for each utterance.
//!
//! [`wire`] is the vendor's JSON, [`utterances`] remembers what was asked so that a lost
//! connection can be made good, [`task`] owns the socket.

mod connect;
mod task;
mod utterances;
mod wire;

use crate::{ProviderError, TtsProvider, TtsSettings, TtsStream};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

pub use wire::{Answer, read};

const VENDOR: &str = "cartesia";
const DEFAULT_URL: &str = "wss://api.cartesia.ai";
/// The protocol we speak.
const VERSION: &str = "2025-04-16";
const DEFAULT_MODEL: &str = "sonic-2";
const DEFAULT_VOICE: &str = "a0e99841-438c-4a64-b679-ae501e7d6091";
/// A sentence each: minutes of speech.
const QUEUED_COMMANDS: usize = 256;
/// Some 20 ms of audio each; the session takes them as they come.
const QUEUED_EVENTS: usize = 256;

/// How long the vendor may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, TLS and the upgrade.
    pub connect: Duration,
    /// From text to audio, and between pieces of audio while more is owed.
    pub stall: Duration,
    /// Before the second and before the third attempt to connect again.
    pub reconnect_pauses: [Duration; 2],
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            stall: Duration::from_secs(6),
            reconnect_pauses: [Duration::from_millis(100), Duration::from_millis(500)],
        }
    }
}

/// Where Cartesia is and who we are.
#[derive(Clone)]
pub struct CartesiaConfig {
    /// API key.
    pub api_key: String,
    /// `wss://…` or, on loopback, `ws://…`, without `/tts/websocket`; `None` is the vendor's own.
    pub url: Option<String>,
    /// Limits.
    pub timeouts: Timeouts,
}

/// Cartesia as a [`TtsProvider`].
pub struct Cartesia {
    config: Arc<CartesiaConfig>,
}

impl Cartesia {
    /// Makes a client; connects nothing yet.
    #[must_use]
    pub fn new(config: CartesiaConfig) -> Self {
        Self { config: Arc::new(config) }
    }
}

#[async_trait]
impl TtsProvider for Cartesia {
    fn name(&self) -> &'static str {
        VENDOR
    }

    async fn open(&self, settings: TtsSettings) -> Result<TtsStream, ProviderError> {
        let socket = connect::connect(&self.config).await?;
        let (commands, asked) = mpsc::channel(QUEUED_COMMANDS);
        let (sender, events) = mpsc::channel(QUEUED_EVENTS);
        let task = task::Task::new(Arc::clone(&self.config), wire::Voice::from(settings), sender);
        tokio::spawn(task.run(socket, asked));
        Ok(TtsStream::new(commands, events))
    }
}
