//! What the engine wants done, and when it wants to be woken.

use super::{Ending, Event, Generation, Time};
use serde::{Deserialize, Serialize};
use talkif_model::flow::TransferMode;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "output", rename_all = "snake_case")]
pub enum Output {
    /// Dial (outbound) or answer (inbound).
    Connect,
    /// Ask the model.
    StartLlm {
        /// Stamped on all that comes back.
        generation: Generation,
        /// What to ask.
        request: LlmRequest,
    },
    /// Forget this request to the model.
    CancelLlm {
        /// Which.
        generation: Generation,
    },
    /// Text for the voice; the first piece of a generation opens the utterance.
    Speak {
        /// The utterance.
        generation: Generation,
        /// A sentence or a clause.
        text: String,
    },
    /// The utterance has no more text.
    SpeakDone {
        /// The utterance.
        generation: Generation,
    },
    /// From now on the utterance may be handed to the wire: until then its audio is held. So a
    /// speculative answer is ready, yet never talks over the caller.
    Play {
        /// The utterance.
        generation: Generation,
    },
    /// Hold the playout at the next frame, keep the audio.
    Pause {
        /// The utterance.
        generation: Generation,
    },
    /// Go on where it was held.
    Resume {
        /// The utterance.
        generation: Generation,
    },
    /// Drop the utterance: audio, text on its way, all.
    Stop {
        /// The utterance.
        generation: Generation,
        /// Fade the frame in flight over this many milliseconds.
        fade_ms: u32,
    },
    /// Run a tool that is not the engine's own.
    CallTool {
        /// The model's id of the tool call.
        id: String,
        /// The tool.
        name: String,
        /// Checked JSON.
        arguments: serde_json::Value,
    },
    /// Press keys.
    SendDtmf {
        /// In order.
        digits: String,
    },
    /// Put the caller through, with music meanwhile. `TransferEnded` answers it.
    Transfer {
        /// E.164, or a `sip:` or `tel:` address.
        to: String,
        /// How.
        mode: TransferMode,
        /// Ring at most this long.
        max_ring_ms: u64,
    },
    /// Leave the caller and the other person to each other. `TransferEnded` answers it.
    HandOver,
    /// Nobody waits for the transfer any more: whoever was called in is not to stay.
    GiveUpTransfer,
    /// Cancel or hang up the leg. `LegEnded` answers it.
    HangUp,
    /// For the record, the trace and live viewers.
    Emit(Event),
    /// The call is over: the last output, exactly once.
    Ended(Ending),
}

/// A question to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlmRequest {
    /// The conversation as it was really heard.
    pub messages: Vec<Message>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Instructions.
    System {
        /// The text.
        text: String,
    },
    /// The caller.
    User {
        /// The text.
        text: String,
    },
    /// The agent: only what was heard.
    Assistant {
        /// The text.
        text: String,
        /// Tools it called in this message.
        tool_calls: Vec<ToolCall>,
    },
    /// A tool's answer.
    Tool {
        /// The model's id of the tool call.
        id: String,
        /// JSON.
        result: String,
    },
}

/// A tool call in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON.
    pub arguments: String,
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// When the engine wants to be woken, and why: a stuck call explains itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    pub at: Time,
    /// Why.
    pub reason: DeadlineReason,
}

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineReason {
    /// The far end has rung long enough.
    MaxRing,
    /// The turn is over unless the caller goes on.
    Endpointing,
    /// The final transcript is late: go on without it.
    TranscriptLate,
    /// A possible interruption must be decided.
    InterruptionDecision,
    /// The caller has been silent for long.
    NoInput,
    /// The model is slow: say a filler, then give up.
    LlmLate,
    /// The voice is slow or playout does not progress.
    PlayoutStalled,
    /// Is a person or a machine on the line?
    AnsweringMachine,
    /// The conversation has lasted long enough.
    MaxCallLength,
    /// The leg was told to hang up and has not said it did.
    HangUp,
    /// The shell has not said what became of a transfer.
    TransferLate,
    /// No further key was pressed: the keys so far are a turn.
    KeysComplete,
    /// The goodbye has been played: let its last word leave the line, then hang up.
    GoodbyeTail,
}
