//! From what this node knows to what `talkif_rules` decides, and back. No rule lives here.

use crate::context::CallContext;
use crate::dialer::Facts;
use crate::fresh;
use crate::journal::End;
use jiff::Timestamp;
use talkif_model::{CallStatus, Direction, EndReason, Outcome};
use talkif_rules::retry::{self, AttemptEnd, Retry};

/// When the lead of this call is dialled again, if it is.
pub(crate) fn next_attempt_us(call: &CallContext, end: &End, now_us: i64) -> Option<i64> {
    let flow = call.flow.as_ref()?;
    if call.direction == Direction::Inbound || call.lead_id.is_none() || end.refused.is_some() {
        return None;
    }
    let answered = call.answered_us.is_some();
    let how = AttemptEnd::of(end.ending.end_reason, end.ending.outcome, answered, call.opted_out);
    let now = Timestamp::from_microsecond(now_us).ok()?;
    let jitter = f64::midpoint(fresh::jitter(), 1.0);
    match retry::next(flow.call.retry, how, call.attempt, now, jitter, call.caps) {
        Retry::At(at) => Some(at.as_microsecond()),
        Retry::GiveUp(_) => None,
    }
}

/// The reason of a hold for want of a call slot.
pub(crate) const NO_FREE_SLOT: &str = "no_free_slot";

/// What the gate says about a call that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Dial now.
    Dial { reason: String },
    /// Not now.
    Hold { until_us: i64, reason: String },
    /// Not ever.
    Refuse(Refusal),
}

/// How a refused call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) status: CallStatus,
    pub(crate) end_reason: EndReason,
    pub(crate) outcome: Option<Outcome>,
}

/// TEMPORARY until the gate lands.
pub(crate) fn decide(facts: &Facts, now_us: i64) -> Decision {
    if facts.on_dnc || facts.consent != Some(true) {
        return Decision::Refuse(Refusal {
            reason: "dnc".into(),
            status: CallStatus::Canceled,
            end_reason: EndReason::Canceled,
            outcome: None,
        });
    }
    if facts.active_calls >= facts.account.as_ref().map_or(0, |a| a.concurrent_calls) {
        return Decision::Hold { until_us: now_us + 2_000_000, reason: NO_FREE_SLOT.into() };
    }
    Decision::Dial { reason: "ok".into() }
}
