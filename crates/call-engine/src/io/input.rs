//! What the world tells the engine.

use super::{Generation, Time, Word};
use serde::{Deserialize, Serialize};
use talkif_model::EndReason;

/// What happened in the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// Begin: an outbound call dials, an inbound one is answered.
    Start,
    /// The far end rings (outbound).
    LegRinging,
    /// The far end answered (outbound), or our answer is through (inbound).
    LegAnswered,
    /// The leg is gone. The last input that matters.
    LegEnded {
        /// How.
        how: LegEnd,
    },
    /// The caller pressed a key.
    Dtmf {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
    /// Voice activity began; `at` is the first speech sample's time.
    SpeechStarted {
        /// When the speech really began.
        at: Time,
    },
    /// Voice activity ended; `at` is the last speech sample's time.
    SpeechEnded {
        /// When the speech really ended.
        at: Time,
    },
    /// What the recogniser hears in the current stretch of speech.
    Transcript {
        /// The words so far (partial) or for good (final).
        text: String,
        /// Whether these words will not change any more.
        is_final: bool,
        /// The recogniser's own opinion that the turn is over, 0 to 1.
        end_of_turn: Option<f32>,
    },
    /// The model spoke.
    LlmText {
        /// Of this request.
        generation: Generation,
        /// The next piece of text.
        delta: String,
    },
    /// The model wants a tool.
    LlmTool {
        /// Of this request.
        generation: Generation,
        /// The model's id of the tool call.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments, JSON as the model wrote it: may be malformed.
        arguments: String,
    },
    /// The model is done.
    LlmDone {
        /// Of this request.
        generation: Generation,
    },
    /// The voice's first audio arrived; leading silence is trimmed by the shell.
    TtsStarted {
        /// Of this utterance.
        generation: Generation,
        /// Silence that was trimmed at the head.
        leading_silence_ms: u64,
    },
    /// Where the words lie in the utterance's audio (after trimming).
    TtsWords {
        /// Of this utterance.
        generation: Generation,
        /// In order; times count from the utterance's first played sample.
        words: Vec<Word>,
    },
    /// All audio of the utterance has arrived.
    TtsDone {
        /// Of this utterance.
        generation: Generation,
        /// Its whole length.
        audio_ms: u64,
    },
    /// So much of the utterance has been handed to the wire. Sent at least every 100 ms while
    /// it plays, and with the first frame.
    Played {
        /// Of this utterance.
        generation: Generation,
        /// Since its first sample.
        played_ms: u64,
    },
    /// The utterance has been played to its end: all its audio, after `TtsDone`.
    PlayoutFinished {
        /// Of this utterance.
        generation: Generation,
        /// Its played length.
        played_ms: u64,
    },
    /// A tool answered.
    ToolResult {
        /// The model's id of the tool call.
        id: String,
        /// JSON for the model.
        result: String,
    },
    /// A provider failed for good: retries and fallbacks are the shell's.
    ProviderFailed {
        /// Which.
        provider: Provider,
        /// Of this request; 0 for the recogniser.
        generation: Generation,
        /// For the log.
        detail: String,
    },
    /// A transfer, or its last step, has been decided.
    TransferEnded {
        /// How.
        how: TransferEnd,
    },
    /// Somebody with authority says so.
    Command(Command),
    /// A deadline has come.
    Wake,
}

/// How a leg ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegEnd {
    /// The far end hung up after it had answered.
    RemoteHangup,
    /// We hung up, as asked.
    LocalHangup,
    /// Not answered in time (408, 480, 487 not ours, or our ring limit).
    NoAnswer,
    /// 486 or 600.
    Busy,
    /// 603 or 403: somebody pressed the red button.
    Declined,
    /// We cancelled before it was answered.
    Canceled,
    /// 404, 410, 484, 604: there is no such number.
    InvalidNumber,
    /// Any other refusal or failure of the carrier, or media that stopped.
    Failed {
        /// For the record, such as `503 Service Unavailable` or `no media for 15 s`.
        detail: String,
    },
}

/// What has become of a transfer, or of its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferEnd {
    /// The caller is with the other person, without us.
    Away,
    /// The other person has answered and hears the caller and us.
    Joined,
    /// [`Output::HandOver`] is done.
    HandedOver,
    /// The caller is still ours alone.
    Failed {
        /// The final SIP status, where there was one.
        sip_status: Option<u16>,
    },
}

/// A vendor's part in the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Speech to text.
    Stt,
    /// The model.
    Llm,
    /// Text to speech.
    Tts,
}

/// An order from outside the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Cancel before answer, hang up after.
    HangUp {
        /// What the record says.
        reason: EndReason,
    },
    /// Say this, uninterruptibly, before anything else.
    Say {
        /// The words.
        text: String,
    },
}
