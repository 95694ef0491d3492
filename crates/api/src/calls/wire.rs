//! What clients get.

use crate::attempts::Attempt;
use crate::http::PageMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use talkif_model::{CallId, LeadId, Personal, Speaker, TurnLatency};
use utoipa::ToSchema;

/// What every view of a call shows.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallSummary {
    /// The call.
    #[schema(value_type = String)]
    pub(super) call_id: CallId,
    /// Its lead; absent on inbound calls.
    #[schema(value_type = Option<String>)]
    pub(super) lead_id: Option<LeadId>,
    /// The flow.
    pub(super) flow_id: Option<String>,
    /// Its version.
    pub(super) flow_version: Option<i64>,
    /// `inbound` or `outbound`.
    pub(super) direction: String,
    /// Which attempt of the lead, from 1.
    pub(super) attempt: i64,
    /// Who calls, E.164.
    #[schema(value_type = String)]
    pub(super) from_number: Personal<String>,
    /// Who is called, E.164.
    #[schema(value_type = String)]
    pub(super) to_number: Personal<String>,
    /// `queued`, `initiated`, `ringing`, `in_progress`, `completed`, `failed`, `no_answer`,
    /// `busy` or `canceled`.
    #[schema(example = "completed")]
    pub(super) status: String,
    /// Why it ended.
    pub(super) end_reason: Option<String>,
    /// `booked`, `qualified`, `not_fit`, `wrong_number` or `no_answer`.
    pub(super) outcome: Option<String>,
    /// RFC 3339.
    pub(super) created_at: String,
    /// RFC 3339.
    pub(super) dialed_at: Option<String>,
    /// RFC 3339.
    pub(super) answered_at: Option<String>,
    /// RFC 3339.
    pub(super) ended_at: Option<String>,
    /// From answer to end, in milliseconds.
    pub(super) duration_ms: Option<i64>,
}

/// A page of calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallList {
    /// The calls, newest first.
    pub(super) calls: Vec<CallSummary>,
    /// The page.
    pub(super) meta: PageMeta,
}

/// A call with all that is known about it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Call {
    /// What lists show, too.
    #[serde(flatten)]
    pub(super) summary: CallSummary,
    /// Whether the person is qualified: a booking implies it.
    pub(super) qualified: Option<bool>,
    /// Why, for `not_fit`.
    pub(super) outcome_reason: Option<String>,
    /// What failed, for failed calls.
    pub(super) failure_code: Option<String>,
    /// The same in words, for people.
    #[schema(value_type = Option<String>)]
    pub(super) failure_detail: Option<Personal<String>>,
    /// What the carrier told.
    pub(super) sip: Sip,
    /// Why it is not dialled yet, for queued calls.
    pub(super) held_reason: Option<String>,
    /// It is not dialled before, for queued calls. RFC 3339.
    pub(super) not_before: Option<String>,
    /// The node of the flow at which the conversation is, or was when it ended.
    #[schema(example = "booking")]
    pub(super) current_node: Option<String>,
    /// When the other side's phone began to ring, RFC 3339.
    pub(super) ringing_at: Option<String>,
    /// The booked slot: `slot`, `owner`, `notes`.
    #[schema(value_type = Option<Object>)]
    pub(super) booking: Option<Personal<Value>>,
    /// What the person told, by slot.
    #[schema(value_type = Object)]
    pub(super) slots: Personal<BTreeMap<String, Value>>,
    /// Milliseconds since the lead was accepted.
    pub(super) metrics: CallMetrics,
    /// All attempts of the lead, this one too.
    pub(super) attempts: Vec<Attempt>,
    /// W3C trace id.
    pub(super) trace_id: String,
    /// The transcript: a signed address, valid for a day.
    pub(super) transcript_url: Option<String>,
    /// The recording, where the flow records: a signed address, valid for a day.
    pub(super) recording_url: Option<String>,
    /// `available`; `deleted`, when its time is over; `failed`, where the disk took none and the
    /// call went on without. Absent where nothing was to be recorded, or the call is not over.
    #[schema(example = "available")]
    pub(super) recording_status: Option<String>,
    /// With `include=transcript`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transcript: Option<Vec<TranscriptTurn>>,
    /// With `include=trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<Vec<TraceSpan>>,
}

/// What the carrier told about a call.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sip {
    /// The SIP Call-ID, by which a carrier finds the call.
    pub(super) call_id: Option<String>,
    /// The final answer, such as 486, where a call ended with one.
    #[schema(example = 486)]
    pub(super) status: Option<i64>,
    /// `X-…` headers and more, named as LiveKit does: `sip.h.x-…`, `sip.callID`, `sip.trunkID`,
    /// `sip.twilio.callSid`.
    #[schema(value_type = Object)]
    pub(super) attributes: Personal<BTreeMap<String, String>>,
}

/// Milliseconds since the lead was accepted; for inbound calls, since the call came in.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallMetrics {
    /// First dialled, over all attempts.
    pub(super) first_dial_ms: Option<i64>,
    /// Answered.
    pub(super) answered_at_ms: Option<i64>,
    /// Ended, with its outcome written.
    pub(super) outcome_at_ms: Option<i64>,
}

/// One turn as it was heard.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct TranscriptTurn {
    /// From 1, over both speakers.
    number: u32,
    /// `caller` or `agent`.
    #[schema(value_type = String)]
    speaker: Speaker,
    /// What was heard.
    #[schema(value_type = String)]
    text: Personal<String>,
    /// Since the answer.
    started_ms: i64,
    /// Since the answer.
    ended_ms: i64,
    /// The other side cut in.
    interrupted: bool,
    /// The stages of the agent's answer, in milliseconds.
    #[schema(value_type = Option<Object>)]
    latency: Option<TurnLatency>,
}

/// One span of the call's trace.
#[derive(Serialize, ToSchema)]
pub(crate) struct TraceSpan {
    /// 16 hex digits.
    pub(super) span_id: String,
    /// The span around it.
    pub(super) parent_span_id: Option<String>,
    /// `lead.received`, `dial.start`, `outcome.write` …
    pub(super) name: String,
    /// `ok` or `error`.
    pub(super) status: String,
    /// RFC 3339.
    pub(super) started_at: String,
    /// Its length.
    pub(super) duration_ms: f64,
    /// No personal data.
    #[schema(value_type = Object)]
    pub(super) attributes: Map<String, Value>,
}
