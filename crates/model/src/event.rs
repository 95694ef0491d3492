//! The eight webhook events, as they are stored and sent.
//!
//! The shape is flat, as the product documents it: `event` and the ids at the top, then what
//! the event adds. `id` and `created_at` are ours: an event keeps its id over all deliveries,
//! so that a receiver can drop repeats.

use crate::{Booking, CallId, EventId, FlowId, LeadId, Outcome, Personal, Region};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

crate::string_enum! {
    /// The eight event types.
    pub enum EventType as "event type" {
        /// A lead entered the queue.
        LeadCreated = "lead.created",
        /// The lead is being dialled.
        CallStarted = "call.started",
        /// The lead picked up.
        CallAnswered = "call.answered",
        /// A booking slot is held.
        OutcomeBooked = "outcome.booked",
        /// Qualified for callback or hand-off.
        OutcomeQualified = "outcome.qualified",
        /// No pickup; says whether a retry is queued.
        OutcomeNoAnswer = "outcome.no_answer",
        /// Disqualified, with the reason.
        OutcomeNotFit = "outcome.not_fit",
        /// The number is wrong.
        OutcomeWrongNumber = "outcome.wrong_number",
    }
}

impl EventType {
    /// The event that reports `outcome`.
    #[must_use]
    pub const fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Booked => Self::OutcomeBooked,
            Outcome::Qualified => Self::OutcomeQualified,
            Outcome::NotFit => Self::OutcomeNotFit,
            Outcome::WrongNumber => Self::OutcomeWrongNumber,
            Outcome::NoAnswer => Self::OutcomeNoAnswer,
        }
    }

    /// Whether a subscription pattern (`*`, `outcome.*`, `call.started`) takes this event.
    #[must_use]
    pub fn matches(self, pattern: &str) -> bool {
        let word = self.as_str();
        pattern == "*"
            || pattern == word
            || pattern.strip_suffix(".*").is_some_and(|group| word.split('.').next() == Some(group))
    }
}

/// One webhook event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// One id over all deliveries.
    pub id: EventId,
    /// The type.
    pub event: EventType,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Where the data lives.
    pub region: Region,
    /// The call; for `lead.created` the queued one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call_id: Option<CallId>,
    /// The lead; absent on inbound calls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lead_id: Option<LeadId>,
    /// The flow that ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub flow_id: Option<FlowId>,
    /// What the event adds.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What an event adds, by type. Absent fields stay out of the JSON.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EventBody {
    /// `lead.created`: the normalised number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phone: Option<Personal<String>>,
    /// `lead.created`: where the lead came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// `lead.created`: consent was given and is stored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<bool>,
    /// `call.started`: the carrier's id of the call (the SIP Call-ID).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call_sid: Option<String>,
    /// `call.started`: counts from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<u32>,
    /// `outcome.*`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// `outcome.*`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub qualified: Option<bool>,
    /// `outcome.not_fit`: why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// `outcome.booked`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub booking: Option<Booking>,
    /// `outcome.*`: what the caller told, by slot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slots: Option<Personal<BTreeMap<String, String>>>,
    /// `outcome.no_answer`: the next attempt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry: Option<Retry>,
    /// `outcome.*`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metrics: Option<Metrics>,
    /// `outcome.*`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub artifacts: Option<Artifacts>,
}

/// The next attempt of a lead that was not reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The call that is queued.
    pub call_id: CallId,
    /// Not before, RFC 3339.
    pub at: String,
    /// Counts from 1.
    pub attempt: u32,
}

/// Milliseconds since the lead was accepted (for inbound calls: since the call came in).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// First dialled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_dial_ms: Option<i64>,
    /// Answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answered_at_ms: Option<i64>,
    /// Outcome written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome_at_ms: Option<i64>,
}

/// Where transcript and recording lie: signed addresses that expire.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Artifacts {
    /// The transcript.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transcript_url: Option<String>,
    /// The recording, where the flow records.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recording_url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_events() {
        assert!(EventType::OutcomeBooked.matches("outcome.*"));
        assert!(EventType::OutcomeBooked.matches("*"));
        assert!(EventType::CallStarted.matches("call.started"));
        assert!(!EventType::CallStarted.matches("outcome.*"));
        assert!(!EventType::CallStarted.matches("call"));
    }

    #[test]
    fn an_event_is_flat_json() {
        let event = WebhookEvent {
            id: EventId::new(1, [1; 10]),
            event: EventType::OutcomeNotFit,
            created_at: "2026-05-26T12:06:03Z".into(),
            region: Region::TrIst,
            call_id: None,
            lead_id: None,
            flow_id: "flow_pricing_v3".parse().ok(),
            body: EventBody {
                outcome: Some(Outcome::NotFit),
                reason: Some("out_of_scope".into()),
                ..EventBody::default()
            },
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], "outcome.not_fit");
        assert_eq!(json["reason"], "out_of_scope");
        assert!(json.get("booking").is_none());
        assert_eq!(serde_json::from_value::<WebhookEvent>(json).unwrap(), event);
    }
}
