//! What a call's end means: its terminal row, its lead, its next attempt and its webhook. Pure:
//! time, ids and the retry come in.

use super::webhook::{self, ArtifactLinks};
use crate::context::CallContext;
use crate::fresh;
use crate::redaction::{redact, storable};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use talkif_call_engine::io::Ending;
use talkif_model::event::{EventBody, EventType, Metrics, Retry};
use talkif_model::{Booking, CallId, CallStatus, Direction, EndReason, EventId, Outcome, Personal, Region};
use talkif_telephony::LegQuality;

/// A conversation took place and reached no verdict.
const INCONCLUSIVE: &str = "inconclusive";

/// How a call ended, from wherever it was ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) ending: Ending,
    /// For branching on, such as `no_connected_flow`.
    pub(crate) failure_code: Option<String>,
    pub(crate) sip_status: Option<u16>,
    pub(crate) quality: Option<LegQuality>,
    pub(crate) at_us: i64,
    /// The gate refused: why, and on which facts.
    pub(crate) refused: Option<(String, Value)>,
    /// Whether a webhook says so.
    pub(crate) announced: bool,
}

impl End {
    pub(crate) const fn new(ending: Ending, at_us: i64) -> Self {
        Self {
            ending,
            failure_code: None,
            sip_status: None,
            quality: None,
            at_us,
            refused: None,
            announced: true,
        }
    }

    /// An end without conversation, verdict or booking.
    pub(crate) fn plain(status: CallStatus, end_reason: EndReason, at_us: i64) -> Self {
        let ending = Ending {
            status,
            end_reason,
            outcome: None,
            outcome_reason: None,
            booking: None,
            slots: BTreeMap::new(),
            detail: None,
        };
        Self::new(ending, at_us)
    }

    pub(crate) fn because(mut self, failure_code: &str) -> Self {
        self.failure_code = Some(failure_code.to_owned());
        self
    }
}

/// The next attempt of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextAttempt {
    pub(crate) call_id: CallId,
    pub(crate) at_us: i64,
}

/// What `journal.finish` takes, field by field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finish {
    status: CallStatus,
    end_reason: EndReason,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    outcome: Option<Outcome>,
    outcome_reason: Option<String>,
    booking: Option<Booking>,
    slots: BTreeMap<String, String>,
    sip_status: Option<u16>,
    quality: Option<Value>,
    ended_us: i64,
    lead_state: &'static str,
    opted_out: bool,
    retry_id: Option<uuid::Uuid>,
    retry_us: Option<i64>,
    now_us: i64,
    refused_because: Option<String>,
    refused_on: Option<Value>,
    event_id: Option<uuid::Uuid>,
    event_type: Option<EventType>,
    payload: Option<String>,
    span_id: String,
}

/// What a call came to: every end has an outcome, so that a receiver of webhooks always hears
/// the last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    reason: Option<String>,
}

/// A conversation without a verdict, and a refusal by the gate, disqualify; whoever was not
/// reached has not answered.
pub(crate) fn verdict(call: &CallContext, end: &End) -> Verdict {
    // The model's own words: they may repeat the caller's.
    let reason = end.ending.outcome_reason.as_deref().map(redact);
    match (end.ending.outcome, &end.refused) {
        (Some(Outcome::NotFit), _) => {
            Verdict { outcome: Outcome::NotFit, reason: reason.or_else(|| call.not_fit_reason()) }
        }
        (Some(outcome), Some((why, _))) => Verdict { outcome, reason: Some(why.clone()) },
        (Some(outcome), None) => Verdict { outcome, reason },
        (None, Some((why, _))) => Verdict { outcome: Outcome::NotFit, reason: Some(why.clone()) },
        (None, None) if call.answered_us.is_some() => {
            Verdict { outcome: Outcome::NotFit, reason: reason.or_else(|| Some(INCONCLUSIVE.to_owned())) }
        }
        (None, None) => Verdict { outcome: Outcome::NoAnswer, reason },
    }
}

/// Where the lead stands after this call.
fn lead_state(verdict: &Verdict, end: &End, next: Option<NextAttempt>) -> &'static str {
    match verdict.outcome {
        Outcome::NoAnswer if next.is_some() => "queued",
        Outcome::NoAnswer => "exhausted",
        Outcome::WrongNumber => "blocked",
        _ if end.refused.is_some() => "blocked",
        Outcome::Booked | Outcome::Qualified | Outcome::NotFit => "reached",
    }
}

/// Everything that is new in an end.
pub(crate) struct Fresh {
    pub(crate) event_id: EventId,
    pub(crate) span_id: String,
    pub(crate) now_us: i64,
    pub(crate) next: Option<NextAttempt>,
}

impl Finish {
    /// The end of `call`, whole.
    pub(crate) fn new(
        call: &CallContext,
        end: End,
        region: Region,
        links: &ArtifactLinks,
        fresh: Fresh,
    ) -> Self {
        let verdict = verdict(call, &end);
        let kind = EventType::of_outcome(verdict.outcome);
        let body = event_body(call, &end, &verdict, links, &fresh);
        let event = webhook::prepare(call, region, fresh.event_id, fresh.now_us, kind, body);
        let event = end.announced.then_some(event);
        Self {
            lead_state: lead_state(&verdict, &end, fresh.next),
            booking: end.ending.booking.as_ref().map(redacted_booking),
            slots: redacted_slots(&end.ending.slots),
            opted_out: call.opted_out,
            retry_id: fresh.next.map(|next| next.call_id.uuid()),
            retry_us: fresh.next.map(|next| next.at_us),
            now_us: fresh.now_us,
            event_id: event.as_ref().map(|event| event.id.uuid()),
            event_type: event.as_ref().map(|event| event.kind),
            payload: event.map(|event| event.payload),
            outcome: Some(verdict.outcome),
            outcome_reason: verdict.reason,
            ..Self::bare(&end, fresh.span_id)
        }
    }

    /// The terminal row alone, for when the whole end cannot be written: a call that stays open
    /// for ever is worse than one without its outcome.
    pub(crate) fn bare(end: &End, span_id: String) -> Self {
        let (refused_because, refused_on) = end.refused.clone().unzip();
        Self {
            status: end.ending.status,
            end_reason: end.ending.end_reason,
            failure_code: end.failure_code.clone(),
            failure_detail: end.ending.detail.as_deref().map(redact),
            outcome: None,
            outcome_reason: None,
            booking: None,
            slots: BTreeMap::new(),
            sip_status: end.sip_status,
            quality: end.quality.as_ref().map(quality_json),
            ended_us: end.at_us,
            lead_state: "exhausted",
            opted_out: false,
            retry_id: None,
            retry_us: None,
            now_us: end.at_us,
            refused_because,
            refused_on,
            event_id: None,
            event_type: None,
            payload: None,
            span_id,
        }
    }
}

fn event_body(
    call: &CallContext,
    end: &End,
    verdict: &Verdict,
    links: &ArtifactLinks,
    fresh: &Fresh,
) -> EventBody {
    let slots = redacted_slots(&end.ending.slots);
    EventBody {
        outcome: Some(verdict.outcome),
        qualified: Some(verdict.outcome.is_qualified()),
        reason: verdict.reason.clone(),
        booking: end.ending.booking.as_ref().map(redacted_booking),
        slots: (!slots.is_empty()).then_some(Personal(slots)),
        retry: fresh.next.map(|next| retry(call, next)),
        metrics: Some(metrics(call, fresh.now_us)),
        artifacts: links.of(call, fresh.now_us),
        ..EventBody::default()
    }
}

fn retry(call: &CallContext, next: NextAttempt) -> Retry {
    Retry { call_id: next.call_id, at: fresh::rfc3339(next.at_us), attempt: call.attempt + 1 }
}

fn metrics(call: &CallContext, now_us: i64) -> Metrics {
    let since = |us| call.since_accepted_ms(us);
    Metrics {
        first_dial_ms: call.first_dialed_us.filter(|_| call.direction == Direction::Outbound).map(since),
        answered_at_ms: call.answered_us.map(since),
        outcome_at_ms: Some(since(now_us)),
    }
}

fn redacted_slots(slots: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    slots.iter().map(|(name, value)| (storable(name), redact(value))).collect()
}

fn redacted_booking(booking: &Booking) -> Booking {
    let notes = booking.notes.as_ref().map(|notes| Personal(redact(&notes.0)));
    let owner = booking.owner.as_deref().map(storable);
    Booking { slot: storable(&booking.slot), owner, notes }
}

fn quality_json(quality: &LegQuality) -> Value {
    serde_json::json!({
        "packets_received": quality.packets_received,
        "packets_lost": quality.packets_lost,
        "packets_late": quality.packets_late,
        "jitter_ms": quality.jitter_ms,
        "mos": quality.mos,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use talkif_model::{AccountId, LeadId};
    use talkif_rules::retry::Caps;

    fn call() -> CallContext {
        CallContext {
            account_id: AccountId::new(1, [1; 10]),
            call_id: CallId::new(1, [2; 10]),
            token: 1,
            lead_id: Some(LeadId::new(1, [3; 10])),
            direction: Direction::Outbound,
            attempt: 1,
            caps: Caps { max_attempts_per_lead: 4, max_daily_calls_per_number: 8, number_attempts_24h: 1 },
            flow_id: "flow_pricing_v3".parse().ok(),
            flow: None,
            accepted_us: 1_790_000_000_000_000,
            first_dialed_us: Some(1_790_000_012_100_000),
            answered_us: Some(1_790_000_022_300_000),
            recorded: true,
            opted_out: false,
        }
    }

    fn end(outcome: Option<Outcome>) -> End {
        let mut end = End::plain(CallStatus::Completed, EndReason::AgentCompleted, 1_790_000_091_000_000);
        end.ending.outcome = outcome;
        end
    }

    fn finish(call: &CallContext, end: End, next: Option<NextAttempt>) -> (Finish, Value) {
        let links = ArtifactLinks { base: "https://artifacts.example".into(), key: vec![1; 32].into() };
        let fresh = Fresh {
            event_id: EventId::new(1, [4; 10]),
            span_id: "b7ad6b7169203331".into(),
            now_us: 1_790_000_091_450_000,
            next,
        };
        let finish = Finish::new(call, end, Region::EuWest, &links, fresh);
        let payload = serde_json::from_str(finish.payload.as_deref().unwrap()).unwrap();
        (finish, payload)
    }

    #[test]
    fn a_booking_reaches_the_lead_and_says_where_everything_lies() {
        let mut end = end(Some(Outcome::Booked));
        end.ending.booking =
            Some(Booking { slot: "2026-05-26T15:30:00Z".into(), owner: Some("mehmet".into()), notes: None });
        let (finish, payload) = finish(&call(), end, None);
        assert_eq!(finish.lead_state, "reached");
        assert_eq!(payload["event"], "outcome.booked");
        assert_eq!(payload["booking"]["slot"], "2026-05-26T15:30:00Z");
        let metrics =
            serde_json::json!({ "first_dial_ms": 12_100, "answered_at_ms": 22_300, "outcome_at_ms": 91_450 });
        assert_eq!(payload["metrics"], metrics);
        assert!(
            payload["artifacts"]["recording_url"]
                .as_str()
                .unwrap()
                .starts_with("https://artifacts.example/r/call_")
        );
    }

    #[test]
    fn what_the_model_repeats_of_a_card_number_is_redacted_wherever_it_goes() {
        let card = "paid with 4111 1111 1111 1111\0";
        let mut end = end(Some(Outcome::Booked));
        end.ending.outcome_reason = Some(card.into());
        end.ending.slots = BTreeMap::from([("budget\0".to_owned(), card.to_owned())]);
        end.ending.booking = Some(Booking {
            slot: "2026-05-26T15:30:00Z\0".into(),
            owner: Some("mehmet\0".into()),
            notes: Some(Personal(card.into())),
        });
        end.ending.detail = Some(card.into());
        let (finish, payload) = finish(&call(), end, None);
        for text in [serde_json::to_string(&finish).unwrap(), payload.to_string()] {
            assert!(text.contains("[card]"), "{text}");
            assert!(!text.contains("1111") && !text.contains("\\u0000"), "{text}");
        }
    }

    #[test]
    fn no_answer_says_when_the_next_attempt_is() {
        let unanswered = CallContext { answered_us: None, ..call() };
        let next = NextAttempt { call_id: CallId::new(2, [5; 10]), at_us: 1_790_000_991_000_000 };
        let (finish, payload) = finish(&unanswered, end(Some(Outcome::NoAnswer)), Some(next));
        assert_eq!(finish.lead_state, "queued");
        assert_eq!(finish.retry_us, Some(1_790_000_991_000_000));
        assert_eq!(payload["retry"]["attempt"], 2);
        assert_eq!(payload["retry"]["at"], "2026-09-21T14:29:51Z");
        assert!(payload.get("artifacts").is_none());
    }

    #[test]
    fn every_end_has_an_outcome_and_a_lead_state() {
        let unanswered = CallContext { answered_us: None, ..call() };
        let mut refused = end(None);
        refused.refused = Some(("dnc".into(), Value::Null));
        let table = [
            (call(), end(None), "outcome.not_fit", Some(INCONCLUSIVE), "reached"),
            (unanswered.clone(), end(None), "outcome.no_answer", None, "exhausted"),
            (unanswered.clone(), refused, "outcome.not_fit", Some("dnc"), "blocked"),
            (unanswered, end(Some(Outcome::WrongNumber)), "outcome.wrong_number", None, "blocked"),
        ];
        for (call, end, event, reason, lead_state) in table {
            let (finish, payload) = finish(&call, end, None);
            assert_eq!(payload["event"], event);
            assert_eq!(payload.get("reason").and_then(Value::as_str), reason, "{event}");
            assert_eq!(finish.lead_state, lead_state, "{event}");
        }
    }
}
