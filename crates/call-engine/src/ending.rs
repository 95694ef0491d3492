//! How a call ends: the tables from what happened to the status, the reason and the outcome
//! that the record keeps.
//!
//! Before the answer, nobody was reached, so the outcome is always `no_answer` or
//! `wrong_number`. After it, the outcome is the verdict of the conversation ([`Verdict`]).
//! A call that was declined counts as busy: there is a person, who cannot talk now.

use crate::io::{Ending, LegEnd};
use std::collections::BTreeMap;
use talkif_model::{Booking, CallStatus, Direction, EndReason, Outcome};

/// Why the engine itself ends a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It rang long enough.
    RingLimit,
    /// An order from outside.
    Command(EndReason),
    /// The conversation is finished.
    Completed,
    /// The conversation reached its longest length.
    Timeout,
    /// The caller was put through to somebody else.
    Transferred,
    /// Something failed for good.
    Error(String),
}

/// Status, reason and detail of an ended call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) status: CallStatus,
    pub(crate) reason: EndReason,
    pub(crate) detail: Option<String>,
}

impl Close {
    fn new(status: CallStatus, reason: EndReason) -> Self {
        Self { status, reason, detail: None }
    }

    fn failed(detail: &str) -> Self {
        Self {
            status: CallStatus::Failed,
            reason: EndReason::TelephonyError,
            detail: Some(detail.to_owned()),
        }
    }

    /// The engine ended the call.
    pub(crate) fn by_engine(cause: Cause, answered: bool) -> Self {
        match cause {
            Cause::RingLimit => Self::new(CallStatus::NoAnswer, EndReason::NoAnswer),
            Cause::Command(reason) => Self::new(commanded_status(reason, answered), reason),
            Cause::Completed => Self::new(CallStatus::Completed, EndReason::AgentCompleted),
            Cause::Transferred => Self::new(CallStatus::Completed, EndReason::Transferred),
            Cause::Timeout => Self::new(CallStatus::Completed, EndReason::AgentTimeout),
            Cause::Error(detail) => {
                Self { status: CallStatus::Failed, reason: EndReason::AgentError, detail: Some(detail) }
            }
        }
    }

    /// The leg ended by itself before it was answered.
    pub(crate) fn unanswered(how: &LegEnd, direction: Direction) -> Self {
        match how {
            LegEnd::RemoteHangup if direction == Direction::Inbound => {
                Self::new(CallStatus::Canceled, EndReason::CallerHangup)
            }
            LegEnd::RemoteHangup | LegEnd::NoAnswer => Self::new(CallStatus::NoAnswer, EndReason::NoAnswer),
            LegEnd::Busy => Self::new(CallStatus::Busy, EndReason::Busy),
            LegEnd::Declined => {
                Self { detail: Some("declined".to_owned()), ..Self::new(CallStatus::Busy, EndReason::Busy) }
            }
            LegEnd::Canceled | LegEnd::LocalHangup => Self::new(CallStatus::Canceled, EndReason::Canceled),
            LegEnd::InvalidNumber => Self::failed("no such number"),
            LegEnd::Failed { detail } => Self::failed(detail),
        }
    }

    /// The leg ended by itself in mid-conversation.
    pub(crate) fn answered(how: &LegEnd) -> Self {
        match how {
            LegEnd::RemoteHangup => Self::new(CallStatus::Completed, EndReason::CallerHangup),
            LegEnd::Failed { detail } => Self::failed(detail),
            LegEnd::LocalHangup => Self::failed("the leg was closed on our side, unasked"),
            LegEnd::NoAnswer | LegEnd::Busy | LegEnd::Declined | LegEnd::Canceled | LegEnd::InvalidNumber => {
                Self::failed("the leg was refused after its answer")
            }
        }
    }
}

/// The status of a call that was ended from outside: cancelled before the answer; afterwards
/// failed where the reason is somebody's error, else completed.
fn commanded_status(reason: EndReason, answered: bool) -> CallStatus {
    match reason {
        EndReason::AgentError
        | EndReason::AgentUnavailable
        | EndReason::AgentCrashed
        | EndReason::TelephonyError
        | EndReason::Reconciled => CallStatus::Failed,
        EndReason::NoAnswer if !answered => CallStatus::NoAnswer,
        EndReason::Busy if !answered => CallStatus::Busy,
        EndReason::CallerHangup
        | EndReason::AgentCompleted
        | EndReason::AgentTimeout
        | EndReason::NoAnswer
        | EndReason::Busy
        | EndReason::Canceled
        | EndReason::Transferred
        | EndReason::BalanceDepleted => {
            if answered {
                CallStatus::Completed
            } else {
                CallStatus::Canceled
            }
        }
    }
}

/// What the conversation has come to so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Verdict {
    /// The model's verdict, and its reason.
    pub(crate) decided: Option<(Outcome, Option<String>)>,
    /// The agreed slot.
    pub(crate) booking: Option<Booking>,
    /// The caller forbade further calls.
    pub(crate) opted_out: bool,
    /// A machine took the call, or nobody ever spoke.
    pub(crate) nobody: bool,
}

impl Verdict {
    /// An opt-out beats everything; a booking without a verdict is one; else the model's word.
    /// `None`: a conversation took place and reached no verdict, a hang-up over the greeting
    /// included.
    pub(crate) fn outcome(&self) -> Option<(Outcome, Option<String>)> {
        if self.opted_out {
            return Some((Outcome::NotFit, Some("opted_out".to_owned())));
        }
        if let Some(decided) = &self.decided {
            return Some(decided.clone());
        }
        if self.booking.is_some() {
            return Some((Outcome::Booked, None));
        }
        self.nobody.then_some((Outcome::NoAnswer, None))
    }

    /// The whole ending of an answered call.
    pub(crate) fn ending(self, close: Close, slots: BTreeMap<String, String>) -> Ending {
        let (outcome, outcome_reason) = self.outcome().map_or((None, None), |(o, r)| (Some(o), r));
        Ending {
            status: close.status,
            end_reason: close.reason,
            outcome,
            outcome_reason,
            booking: self.booking,
            slots,
            detail: close.detail,
        }
    }
}

/// The ending of a call that nobody answered.
pub(crate) fn unreached(close: Close, how: Option<&LegEnd>) -> Ending {
    let wrong = how == Some(&LegEnd::InvalidNumber);
    Ending {
        status: close.status,
        end_reason: close.reason,
        outcome: Some(if wrong { Outcome::WrongNumber } else { Outcome::NoAnswer }),
        outcome_reason: None,
        booking: None,
        slots: BTreeMap::new(),
        detail: close.detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unanswered_leg_ends_as_its_carrier_said() {
        let failed = LegEnd::Failed { detail: "503 Service Unavailable".to_owned() };
        let table = [
            (LegEnd::NoAnswer, CallStatus::NoAnswer, EndReason::NoAnswer, Outcome::NoAnswer),
            (LegEnd::RemoteHangup, CallStatus::NoAnswer, EndReason::NoAnswer, Outcome::NoAnswer),
            (LegEnd::Busy, CallStatus::Busy, EndReason::Busy, Outcome::NoAnswer),
            (LegEnd::Declined, CallStatus::Busy, EndReason::Busy, Outcome::NoAnswer),
            (LegEnd::Canceled, CallStatus::Canceled, EndReason::Canceled, Outcome::NoAnswer),
            (LegEnd::LocalHangup, CallStatus::Canceled, EndReason::Canceled, Outcome::NoAnswer),
            (LegEnd::InvalidNumber, CallStatus::Failed, EndReason::TelephonyError, Outcome::WrongNumber),
            (failed, CallStatus::Failed, EndReason::TelephonyError, Outcome::NoAnswer),
        ];
        for (how, status, reason, outcome) in table {
            let ending = unreached(Close::unanswered(&how, Direction::Outbound), Some(&how));
            assert_eq!((ending.status, ending.end_reason), (status, reason), "{how:?}");
            assert_eq!(ending.outcome, Some(outcome), "{how:?}");
        }
    }

    #[test]
    fn an_inbound_caller_who_gives_up_before_the_answer_hung_up() {
        let close = Close::unanswered(&LegEnd::RemoteHangup, Direction::Inbound);
        assert_eq!((close.status, close.reason), (CallStatus::Canceled, EndReason::CallerHangup));
    }

    #[test]
    fn an_answered_leg_that_breaks_has_failed() {
        let broken = LegEnd::Failed { detail: "no media for 15 s".to_owned() };
        assert_eq!(Close::answered(&broken).status, CallStatus::Failed);
        assert_eq!(Close::answered(&LegEnd::Busy).reason, EndReason::TelephonyError);
        assert_eq!(Close::answered(&LegEnd::RemoteHangup).reason, EndReason::CallerHangup);
    }

    #[test]
    fn an_order_cancels_before_the_answer_and_completes_after() {
        for reason in EndReason::ALL {
            let before = Close::by_engine(Cause::Command(*reason), false);
            let after = Close::by_engine(Cause::Command(*reason), true);
            assert_eq!((before.reason, after.reason), (*reason, *reason));
            assert!(before.status.is_terminal() && before.status != CallStatus::Completed);
            assert!(matches!(after.status, CallStatus::Completed | CallStatus::Failed));
        }
    }

    #[test]
    fn an_opt_out_beats_a_booking() {
        let booking = Booking { slot: "2026-05-26T15:30:00Z".to_owned(), owner: None, notes: None };
        let mut verdict = Verdict { booking: Some(booking), ..Verdict::default() };
        assert_eq!(verdict.outcome().map(|o| o.0), Some(Outcome::Booked));
        verdict.opted_out = true;
        assert_eq!(verdict.outcome(), Some((Outcome::NotFit, Some("opted_out".to_owned()))));
    }
}
