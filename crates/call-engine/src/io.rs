//! Everything that goes into and comes out of the engine.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use talkif_model::flow::TransferMode;
use talkif_model::{Booking, CallStatus, EndReason, Outcome, Turn};

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

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// The other telephone rings.
    Ringing,
    /// The other person has answered, in an attended transfer.
    Answered,
    /// The two are left to each other.
    Done,
    /// It came to nothing, and the conversation goes on.
    Failed,
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

/// Something for the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The status moved (not to a terminal one: that is [`Ending`]).
    Status {
        /// The new status.
        status: CallStatus,
    },
    /// A turn is over.
    Turn(Turn),
    /// What the caller is saying, not final.
    Partial {
        /// The words so far.
        text: String,
    },
    /// A slot was filled or corrected.
    Slot {
        /// Its name.
        name: String,
        /// What the caller told.
        value: String,
    },
    /// The conversation moved to a node.
    Node {
        /// Its name.
        node: String,
    },
    /// The agent was interrupted (`false_alarm: false`) or went on after a false alarm.
    Interruption {
        /// Nothing was said, or a mere backchannel: playout resumed.
        false_alarm: bool,
    },
    /// Qualification reached a verdict (span `qualify.done`).
    Qualified {
        /// The verdict.
        outcome: Outcome,
    },
    /// A transfer moved on.
    Transfer {
        /// The target's name in the flow.
        name: String,
        /// How far it is.
        state: TransferState,
        /// The final SIP status, where it failed with one.
        sip_status: Option<u16>,
    },
    /// The caller asked never to be called again.
    OptedOut,
    /// An answering machine took the call.
    Voicemail,
    /// Something was wrong and was got over.
    Trouble {
        /// For the log.
        detail: String,
    },
}

/// How the call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// A terminal status.
    pub status: CallStatus,
    /// Why.
    pub end_reason: EndReason,
    /// What it came to. `None` only when a conversation took place and reached no verdict.
    pub outcome: Option<Outcome>,
    /// Why, for `not_fit`.
    pub outcome_reason: Option<String>,
    /// The booking.
    pub booking: Option<Booking>,
    /// What the caller told.
    pub slots: BTreeMap<String, String>,
    /// For the record, on failures.
    pub detail: Option<String>,
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
