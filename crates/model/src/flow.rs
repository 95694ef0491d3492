//! The compiled flow: the one form that everything runs. YAML, JSON and (later) the studio are
//! compiled to it by `talkif_rules::flow`; a published version never changes.

use crate::{FlowId, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node's name inside its flow.
pub type NodeId = String;

/// One immutable version of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowGraph {
    /// The flow.
    pub id: FlowId,
    /// A name for people.
    pub name: String,
    /// Which leads it takes.
    #[serde(default)]
    pub matches: FlowMatch,
    /// How its calls are placed and bounded.
    pub call: CallPolicy,
    /// Speech, model and voice.
    pub voice: VoiceSettings,
    /// What holds in every node: who the agent is and how it behaves.
    pub system_prompt: String,
    /// The first words of an outbound call, spoken verbatim; a template over the lead.
    pub greeting: String,
    /// The node a call starts in.
    pub entry: NodeId,
    /// All nodes.
    pub nodes: BTreeMap<NodeId, AgentNode>,
    /// What follows each outcome.
    #[serde(default)]
    pub on: BTreeMap<Outcome, Vec<FollowUp>>,
    /// To whom the agent may put a caller through, by the name the model knows them by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub transfer: BTreeMap<String, TransferTarget>,
}

/// Somebody to whom a caller can be put through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferTarget {
    /// E.164, or a `sip:` or `tel:` address.
    pub to: String,
    /// How.
    pub mode: TransferMode,
    /// When, in words for the model.
    pub when: String,
    /// What the agent says to both before it leaves, a template; empty says nothing. Attended
    /// transfers only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub introduction: String,
    /// Ring at most this long. Attended transfers only: else the carrier rings as it likes.
    pub max_ring_s: u32,
}

crate::string_enum! {
    /// How a caller is put through.
    pub enum TransferMode as "transfer mode" {
        /// The carrier is told to do it (REFER); we are out of the call at once.
        Blind = "blind",
        /// We call the other person into the call and leave when they talk.
        Attended = "attended",
    }
}

/// Which leads a flow takes. An empty list takes all; the flow that names most wins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FlowMatch {
    /// `web_form`, `meta_lead_ads` …
    #[serde(default)]
    pub source: Vec<String>,
    /// Campaign names.
    #[serde(default)]
    pub campaign: Vec<String>,
    /// `pricing` …
    #[serde(default)]
    pub intent: Vec<String>,
    /// ISO 639-1.
    #[serde(default)]
    pub language: Vec<String>,
}

/// How a flow's calls are placed and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPolicy {
    /// Dial within this many seconds after the lead (unless a window holds the call).
    pub within_s: u32,
    /// Local times at which nobody is called, besides the region's own.
    #[serde(default)]
    pub quiet_hours: Vec<QuietHours>,
    /// Ring at most this long.
    pub max_ring_s: u32,
    /// End the conversation after this long.
    pub max_duration_s: u32,
    /// Prompt the caller after this much silence.
    pub silence_prompt_ms: u32,
    /// Prompts before the agent takes its leave.
    pub max_silence_prompts: u32,
    /// Record both sides. Off unless the flow asks for it.
    #[serde(default)]
    pub record: bool,
    /// Delete the recording after this many days.
    pub recording_ttl_days: u32,
    /// Attempts after the first.
    pub retry: RetryPolicy,
    /// `X-…` headers of an outbound call's INVITE; their values are templates over the lead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A span of local wall-clock time, in minutes since midnight; it may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// First quiet minute.
    pub from_minute: u16,
    /// First minute that is no longer quiet.
    pub until_minute: u16,
}

/// When a lead that was not reached is dialled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RetryPolicy {
    /// Not again.
    Never,
    /// `retry(15m, max=3)`: the same pause before each of at most `max` further attempts.
    Fixed {
        /// Pause, in seconds.
        delay_s: u32,
        /// Further attempts.
        max: u32,
    },
    /// The pause doubles each time: the default.
    Exponential {
        /// First pause, in seconds.
        base_s: u32,
        /// Longest pause, in seconds.
        cap_s: u32,
        /// Further attempts.
        max: u32,
    },
}

/// Speech, model and voice of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoiceSettings {
    /// ISO 639-1, the language of the conversation.
    pub language: String,
    /// The vendor's id of the voice.
    pub voice: String,
    /// `deepgram`.
    pub stt_provider: String,
    /// The vendor's model.
    pub stt_model: String,
    /// `openai`.
    pub llm_provider: String,
    /// The vendor's model.
    pub llm_model: String,
    /// 0 to 2.
    pub temperature: f32,
    /// `cartesia`.
    pub tts_provider: String,
    /// The vendor's model.
    pub tts_model: String,
}

/// One agent of a flow: a stretch of the conversation with its own instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentNode {
    /// In force only while the call is in this node.
    pub prompt: String,
    /// What this node finds out.
    #[serde(default)]
    pub slots: Vec<Slot>,
    /// Where it can lead.
    #[serde(default)]
    pub transitions: Vec<Transition>,
    /// Whether the agent may book here, and in whose calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<String>,
}

/// Something the agent finds out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// `budget` …
    pub name: String,
    /// What to find out, for the model.
    pub description: String,
    /// Whether qualification needs it.
    pub required: bool,
}

/// A way from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The next node.
    pub to: NodeId,
    /// When, in words for the model.
    pub when: String,
}

/// What follows an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FollowUp {
    /// `book(calendar.mehmet)`.
    Book {
        /// Whose calendar.
        calendar: String,
    },
    /// `retry(15m, max=3)`: the policy itself is in [`CallPolicy::retry`].
    Retry,
    /// `log("out_of_scope")`: the reason that the outcome event carries.
    Log {
        /// The text.
        message: String,
    },
    /// `whatsapp`, `sms`, `handoff` …: named in the event, acted on by the customer's stack.
    Notify {
        /// The channel.
        channel: String,
    },
}
