use crate::Personal;

crate::string_enum! {
    /// Who spoke.
    pub enum Speaker as "speaker" {
        /// The person on the phone.
        Caller = "caller",
        /// The agent.
        Agent = "agent",
    }
}

/// One turn as it was really heard: for the agent, only what was played.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Turn {
    /// Counts from 1 over both speakers.
    pub number: u32,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said, as far as it was heard.
    pub text: Personal<String>,
    /// Start, in milliseconds since the call was answered.
    pub started_ms: u64,
    /// End, in milliseconds since the call was answered.
    pub ended_ms: u64,
    /// Whether the other side cut it off.
    #[serde(default)]
    pub interrupted: bool,
    /// Only on agent turns that answer the caller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency: Option<TurnLatency>,
}

/// The two clocks of a turn and the stages between, all in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct TurnLatency {
    /// Turn committed → first sample handed to the wire.
    pub engine_ms: f64,
    /// Caller's last speech sample → first audible agent sample on the wire.
    pub heard_ms: f64,
    /// Caller's last speech sample → turn committed.
    pub endpointing_ms: f64,
    /// Caller's last speech sample → final transcript.
    pub stt_final_ms: f64,
    /// LLM asked → first token.
    pub llm_first_token_ms: f64,
    /// LLM asked → first sentence handed to TTS.
    pub first_sentence_ms: f64,
    /// First text to TTS → first audio byte.
    pub tts_first_byte_ms: f64,
    /// Silence at the head of the first audio, trimmed.
    pub leading_silence_ms: f64,
    /// First audio byte → first sample handed to the wire.
    pub playout_ms: f64,
}
