//! From what this node knows to what `talkif_rules` decides, and back. No rule lives here.

use crate::context::CallContext;
use crate::dialer::Facts;
use crate::fresh;
use crate::journal::End;
use jiff::Timestamp;
use talkif_model::{CallStatus, Direction, EndReason, Outcome};
use talkif_rules::gate::{GateFacts, Place, RefuseReason};
use talkif_rules::retry::{self, AttemptEnd, Retry};

/// When the lead of this call is dialled again, if it is.
pub(crate) fn next_attempt_us(call: &CallContext, end: &End, now_us: i64) -> Option<i64> {
    let flow = call.flow.as_ref()?;
    if call.direction == Direction::Inbound || call.lead_id.is_none() || end.refused.is_some() {
        return None;
    }
    let answered = call.answered_us.is_some();
    let how = AttemptEnd::of(end.ending.end_reason, end.ending.outcome, answered, call.opted_out);
    let jitter = f64::midpoint(fresh::jitter(), 1.0);
    match retry::next(flow.call.retry, how, call.attempt, timestamp(now_us), jitter, call.caps) {
        Retry::At(at) => Some(at.as_microsecond()),
        Retry::GiveUp(_) => None,
    }
}

/// The gate's view of a call that is due, at the database's moment; `in_good_standing` is what
/// the directory says of the account. What is missing speaks against the call.
pub(crate) fn gate_facts(facts: &Facts, in_good_standing: bool) -> GateFacts {
    let account = facts.account.as_ref();
    let limit = |of: fn(&crate::dialer::Account) -> u32| account.map_or(0, of);
    GateFacts {
        now: timestamp(facts.now_us),
        queued_at: timestamp(facts.created_us),
        place: place(facts),
        quiet_hours: facts.flow.as_ref().map(|flow| flow.call.quiet_hours.clone()).unwrap_or_default(),
        account_active: account.is_some() && in_good_standing,
        lead_open: facts.lead.as_ref().is_none_or(|lead| lead.state == "queued"),
        consent: facts.consent,
        opted_out: facts.opted_out,
        on_dnc: facts.on_dnc,
        number_active: facts.number.as_ref().is_some_and(|number| number.status == "active"),
        flow_published: facts.flow.is_some() && !facts.flow_archived,
        lead_attempts: facts.lead_attempts,
        max_attempts_per_lead: limit(|account| account.max_attempts_per_lead),
        number_attempts_24h: facts.number_calls_today,
        oldest_number_attempt: facts.oldest_number_call_us.map(timestamp),
        max_daily_calls_per_number: limit(|account| account.max_daily_calls_per_number),
        account_calls_24h: facts.account_calls_today,
        max_daily_calls: limit(|account| account.max_daily_calls),
        balance_microcents: account.map_or(0, |account| account.balance_microcents),
        number_busy: facts.number_busy,
        active_calls: facts.active_calls,
        concurrent_calls: limit(|account| account.concurrent_calls),
        dial_deadline: facts.dial_deadline_us.map(timestamp),
    }
}

/// A number that is none has no place, and the gate calls nowhere.
fn place(facts: &Facts) -> Place {
    match &facts.to {
        Some(number) => Place::of(number, facts.timezone.as_deref()),
        None => Place { country: None, zones: Vec::new() },
    }
}

fn timestamp(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX)
}

/// How a call ends that the gate refuses. A lead that ran out of attempts or time was not
/// reached; a lead its owner closed needs no further word; all others are disqualified.
pub(crate) fn refused(reason: RefuseReason, facts: &GateFacts, now_us: i64) -> End {
    let (status, end_reason) = match reason {
        RefuseReason::InsufficientBalance => (CallStatus::Failed, EndReason::BalanceDepleted),
        RefuseReason::NumberNotActive => (CallStatus::Failed, EndReason::TelephonyError),
        RefuseReason::FlowNotPublished => (CallStatus::Failed, EndReason::AgentUnavailable),
        _ => (CallStatus::Canceled, EndReason::Canceled),
    };
    let mut end = End::plain(status, end_reason, now_us).because(reason.as_str());
    end.ending.outcome = match reason {
        RefuseReason::LeadAttemptsExhausted | RefuseReason::DialDeadlinePassed => Some(Outcome::NoAnswer),
        _ => None,
    };
    end.announced = reason != RefuseReason::LeadClosed;
    end.refused = Some((reason.as_str().to_owned(), audit(facts)));
    end
}

/// The facts as the audit keeps them: no number, no name.
pub(crate) fn audit(facts: &GateFacts) -> serde_json::Value {
    // Plain values and string keys always become JSON.
    serde_json::to_value(facts).unwrap_or_default()
}
