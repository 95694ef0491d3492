use crate::{ProviderError, SttAudio};
use async_trait::async_trait;
use talkif_call_engine::io::Word;
use tokio::sync::mpsc;

/// How a call wants to be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SttSettings {
    /// Samples per second of the frames that will be pushed.
    pub sample_rate: u32,
    /// ISO 639-1.
    pub language: String,
    /// The vendor's model; `None` is the vendor's default.
    pub model: Option<String>,
    /// Names and terms that the recogniser should expect.
    pub keywords: Vec<String>,
}

/// What a recogniser reports.
#[derive(Debug, Clone, PartialEq)]
pub enum SttEvent {
    /// The words of the present segment so far; the next partial or final replaces them.
    Partial {
        /// The words.
        text: String,
    },
    /// The words of a segment, for good. `text` is empty when the recogniser was asked to finish
    /// and had nothing left to say.
    Final {
        /// The words.
        text: String,
        /// The recogniser's opinion that the turn is over, 0 to 1, where it has one.
        end_of_turn: Option<f32>,
        /// Where the words lie, in milliseconds of the audio that this stream was given.
        words: Vec<Word>,
    },
    /// The recogniser's own voice detector fired.
    SpeechStarted,
    /// The recogniser heard no word for a while after one.
    UtteranceEnd,
    /// The stream is over; nothing follows. Open another one.
    Failed {
        /// For the log: no spoken words.
        detail: String,
    },
}

/// An open recogniser. Dropping it closes the vendor's stream.
#[derive(Debug)]
pub struct SttStream {
    /// Where frames go.
    pub audio: SttAudio,
    /// What comes back. A closed queue without `Failed` means the same as `Failed`.
    pub events: mpsc::Receiver<SttEvent>,
}

/// A speech recogniser.
#[async_trait]
pub trait SttProvider: Send + Sync {
    /// As flows name it: `deepgram`.
    fn name(&self) -> &'static str;

    /// Connects.
    ///
    /// # Errors
    /// If the vendor cannot be reached in time or refuses.
    async fn open(&self, settings: SttSettings) -> Result<SttStream, ProviderError>;
}
