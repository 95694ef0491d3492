use crate::ProviderError;
use async_trait::async_trait;
use talkif_call_engine::io::{Generation, Word};
use tokio::sync::mpsc;

/// How a call wants to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtsSettings {
    /// The vendor's id of the voice; `None` is the vendor's default.
    pub voice: Option<String>,
    /// The vendor's model; `None` is the vendor's default.
    pub model: Option<String>,
    /// ISO 639-1.
    pub language: String,
    /// Samples per second of the audio that shall come back.
    pub sample_rate: u32,
}

/// What a voice is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtsCommand {
    /// More text of an utterance; the first piece opens it.
    Speak {
        /// The utterance.
        generation: Generation,
        /// A sentence or a clause.
        text: String,
    },
    /// The utterance has no more text.
    Finish {
        /// The utterance.
        generation: Generation,
    },
    /// Forget the utterance; no event of it follows, save one already on its way.
    Cancel {
        /// The utterance.
        generation: Generation,
    },
}

/// What a voice reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TtsEvent {
    /// The next piece of audio, mono.
    Audio {
        /// Of this utterance.
        generation: Generation,
        /// Samples.
        pcm: Vec<i16>,
    },
    /// Where words lie, in milliseconds from the utterance's first sample.
    Words {
        /// Of this utterance.
        generation: Generation,
        /// In order.
        words: Vec<Word>,
    },
    /// All audio of the utterance has come.
    Done {
        /// This utterance.
        generation: Generation,
    },
    /// The utterance is lost; other utterances are not touched.
    Failed {
        /// This utterance.
        generation: Generation,
        /// For the log: no spoken words.
        detail: String,
    },
}

/// The voice's task is gone or far behind: treat the utterance as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the voice takes no more text")]
pub struct TtsUnavailable;

/// An open voice: one connection, many utterances. Dropping it closes the connection.
#[derive(Debug)]
pub struct TtsStream {
    commands: mpsc::Sender<TtsCommand>,
    /// What comes back. Closed only when the voice's task has ended.
    pub events: mpsc::Receiver<TtsEvent>,
}

impl TtsStream {
    /// A stream over an adapter's queues.
    #[must_use]
    pub const fn new(commands: mpsc::Sender<TtsCommand>, events: mpsc::Receiver<TtsEvent>) -> Self {
        Self { commands, events }
    }

    /// Hands over a command. Never blocks: a full queue means that the voice is seconds behind.
    ///
    /// # Errors
    /// If the queue is full or the voice's task is gone.
    pub fn send(&self, command: TtsCommand) -> Result<(), TtsUnavailable> {
        self.commands.try_send(command).map_err(|_| TtsUnavailable)
    }
}

/// A voice.
#[async_trait]
pub trait TtsProvider: Send + Sync {
    /// As flows name it: `cartesia`.
    fn name(&self) -> &'static str;

    /// Connects, so that the first word finds a warm connection.
    ///
    /// # Errors
    /// If the vendor cannot be reached in time or refuses.
    async fn open(&self, settings: TtsSettings) -> Result<TtsStream, ProviderError>;
}
