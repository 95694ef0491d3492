//! Whether and when a lead that was not reached is dialled again.
//!
//! Only ends at which nobody was talked to are retried: busy, no answer (voicemail included),
//! and failures of telephony. The result is a wish: the gate decides again when the time comes,
//! so quiet hours, opt-outs and limits hold for retries too.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use talkif_model::flow::RetryPolicy;
use talkif_model::{EndReason, Outcome};

/// How far a pause is stretched or shortened at most, so that a batch of leads that failed
/// together does not come back together.
const JITTER: f64 = 0.1;

/// How an attempt ended, as far as a retry is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// The line was busy.
    Busy,
    /// Nobody answered, or only a machine.
    NoAnswer,
    /// The carrier, the line or our own side failed before anybody was talked to.
    Failed,
    /// Somebody was talked to.
    Answered,
    /// The number is not this person's.
    WrongNumber,
    /// The person does not want to be called.
    OptedOut,
    /// Somebody canceled the lead or the call.
    Canceled,
}

impl AttemptEnd {
    /// From how the call ended. `opted_out` wins over everything; a conversation that broke
    /// down half-way was a conversation all the same.
    #[must_use]
    pub const fn of(
        reason: EndReason,
        outcome: Option<Outcome>,
        was_answered: bool,
        opted_out: bool,
    ) -> Self {
        if opted_out {
            return Self::OptedOut;
        }
        match outcome {
            Some(Outcome::WrongNumber) => return Self::WrongNumber,
            Some(Outcome::Booked | Outcome::Qualified | Outcome::NotFit) => return Self::Answered,
            Some(Outcome::NoAnswer) | None => {}
        }
        match reason {
            EndReason::Canceled | EndReason::BalanceDepleted => Self::Canceled,
            EndReason::Busy => Self::Busy,
            EndReason::NoAnswer => Self::NoAnswer,
            // A machine answered: its outcome says that nobody was reached.
            _ if matches!(outcome, Some(Outcome::NoAnswer)) => Self::NoAnswer,
            _ if was_answered => Self::Answered,
            _ => Self::Failed,
        }
    }
}

/// The account's limits and how much of them is used, the attempt that just ended included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Attempts to reach one lead.
    pub max_attempts_per_lead: u32,
    /// Attempts to one number within 24 hours, over all leads.
    pub max_daily_calls_per_number: u32,
    /// Attempts to this number in the last 24 hours.
    pub number_attempts_24h: u32,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Try again, not before this time.
    At(Timestamp),
    /// Let it be.
    GiveUp(GiveUp),
}

talkif_model::string_enum! {
    /// Why a lead is not tried again.
    pub enum GiveUp as "reason to give up" {
        /// Somebody was talked to.
        Answered = "answered",
        /// The number is wrong.
        WrongNumber = "wrong_number",
        /// The person opted out.
        OptedOut = "opted_out",
        /// Canceled.
        Canceled = "canceled",
        /// The flow asks for no retries.
        NoRetries = "no_retries",
        /// All attempts of the flow's policy are used up.
        PolicyExhausted = "policy_exhausted",
        /// The account's attempts per lead are used up.
        LeadCap = "lead_cap",
    }
}

/// What follows attempt `attempt_no` (counts from 1) that ended at `now`. `jitter` is a random
/// number in 0..1.
#[must_use]
pub fn next(
    policy: RetryPolicy,
    end: AttemptEnd,
    attempt_no: u32,
    now: Timestamp,
    jitter: f64,
    caps: Caps,
) -> Retry {
    let final_end = match end {
        AttemptEnd::Busy | AttemptEnd::NoAnswer | AttemptEnd::Failed => None,
        AttemptEnd::Answered => Some(GiveUp::Answered),
        AttemptEnd::WrongNumber => Some(GiveUp::WrongNumber),
        AttemptEnd::OptedOut => Some(GiveUp::OptedOut),
        AttemptEnd::Canceled => Some(GiveUp::Canceled),
    };
    if let Some(reason) = final_end {
        return Retry::GiveUp(reason);
    }
    let pause_s = match pause_s(policy, attempt_no) {
        Ok(pause_s) => pause_s,
        Err(reason) => return Retry::GiveUp(reason),
    };
    if attempt_no >= caps.max_attempts_per_lead {
        return Retry::GiveUp(GiveUp::LeadCap);
    }
    let mut pause = jittered(pause_s, jitter);
    if caps.number_attempts_24h >= caps.max_daily_calls_per_number {
        // By then every attempt that counts today has left the window.
        pause = pause.max(SignedDuration::from_hours(24));
    }
    now.checked_add(pause).map_or(Retry::GiveUp(GiveUp::PolicyExhausted), Retry::At)
}

/// The pause after attempt `attempt_no`, in seconds.
fn pause_s(policy: RetryPolicy, attempt_no: u32) -> Result<u32, GiveUp> {
    let (pause, max) = match policy {
        RetryPolicy::Never => return Err(GiveUp::NoRetries),
        RetryPolicy::Fixed { delay_s, max } => (delay_s, max),
        RetryPolicy::Exponential { base_s, cap_s, max } => {
            let doublings = attempt_no.saturating_sub(1);
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            (base_s.saturating_mul(factor).min(cap_s), max)
        }
    };
    if attempt_no > max { Err(GiveUp::PolicyExhausted) } else { Ok(pause) }
}

fn jittered(pause_s: u32, jitter: f64) -> SignedDuration {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
    let factor = 1.0 + JITTER * (2.0 * jitter - 1.0);
    SignedDuration::from_millis((f64::from(pause_s) * 1000.0 * factor).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPS: Caps =
        Caps { max_attempts_per_lead: 10, max_daily_calls_per_number: 8, number_attempts_24h: 1 };
    const FIXED: RetryPolicy = RetryPolicy::Fixed { delay_s: 900, max: 3 };
    const DOUBLING: RetryPolicy = RetryPolicy::Exponential { base_s: 900, cap_s: 3000, max: 5 };

    fn now() -> Timestamp {
        "2026-05-26T12:00:00Z".parse().unwrap()
    }

    /// Seconds until the next attempt, without jitter.
    fn wait(policy: RetryPolicy, end: AttemptEnd, attempt_no: u32, caps: Caps) -> Result<i64, GiveUp> {
        match next(policy, end, attempt_no, now(), 0.5, caps) {
            Retry::At(at) => Ok(at.as_second() - now().as_second()),
            Retry::GiveUp(reason) => Err(reason),
        }
    }

    #[test]
    fn the_pause_follows_the_policy() {
        let table = [
            (FIXED, 1, Ok(900)),
            (FIXED, 3, Ok(900)),
            (FIXED, 4, Err(GiveUp::PolicyExhausted)),
            (DOUBLING, 1, Ok(900)),
            (DOUBLING, 2, Ok(1800)),
            (DOUBLING, 3, Ok(3000)),
            (DOUBLING, 5, Ok(3000)),
            (DOUBLING, 6, Err(GiveUp::PolicyExhausted)),
            (RetryPolicy::Never, 1, Err(GiveUp::NoRetries)),
            (RetryPolicy::Exponential { base_s: 900, cap_s: 3000, max: 99 }, 9, Ok(3000)),
        ];
        for (policy, attempt_no, expected) in table {
            assert_eq!(
                wait(policy, AttemptEnd::NoAnswer, attempt_no, CAPS),
                expected,
                "{policy:?} {attempt_no}"
            );
        }
    }

    #[test]
    fn only_those_who_were_not_reached_are_tried_again() {
        let table = [
            (AttemptEnd::Busy, Ok(900)),
            (AttemptEnd::NoAnswer, Ok(900)),
            (AttemptEnd::Failed, Ok(900)),
            (AttemptEnd::Answered, Err(GiveUp::Answered)),
            (AttemptEnd::WrongNumber, Err(GiveUp::WrongNumber)),
            (AttemptEnd::OptedOut, Err(GiveUp::OptedOut)),
            (AttemptEnd::Canceled, Err(GiveUp::Canceled)),
        ];
        for (end, expected) in table {
            assert_eq!(wait(FIXED, end, 1, CAPS), expected, "{end:?}");
        }
    }

    #[test]
    fn the_account_s_caps_come_on_top() {
        let capped = Caps { max_attempts_per_lead: 2, ..CAPS };
        assert_eq!(wait(FIXED, AttemptEnd::Busy, 1, capped), Ok(900));
        assert_eq!(wait(FIXED, AttemptEnd::Busy, 2, capped), Err(GiveUp::LeadCap));
        let busy_day = Caps { number_attempts_24h: 8, ..CAPS };
        assert_eq!(wait(FIXED, AttemptEnd::Busy, 1, busy_day), Ok(86_400));
    }

    #[test]
    fn an_end_is_read_from_the_call() {
        use EndReason as Reason;
        let table = [
            (Reason::Busy, None, false, false, AttemptEnd::Busy),
            (Reason::NoAnswer, Some(Outcome::NoAnswer), false, false, AttemptEnd::NoAnswer),
            (Reason::TelephonyError, None, false, false, AttemptEnd::Failed),
            (Reason::AgentUnavailable, None, false, false, AttemptEnd::Failed),
            (Reason::AgentCompleted, Some(Outcome::NoAnswer), true, false, AttemptEnd::NoAnswer),
            (Reason::AgentCompleted, Some(Outcome::Booked), true, false, AttemptEnd::Answered),
            (Reason::AgentCompleted, Some(Outcome::WrongNumber), true, false, AttemptEnd::WrongNumber),
            (Reason::AgentCompleted, Some(Outcome::NotFit), true, true, AttemptEnd::OptedOut),
            (Reason::CallerHangup, None, true, false, AttemptEnd::Answered),
            (Reason::AgentCrashed, None, true, false, AttemptEnd::Answered),
            (Reason::AgentCrashed, None, false, false, AttemptEnd::Failed),
            (Reason::Canceled, None, false, false, AttemptEnd::Canceled),
        ];
        for (reason, outcome, answered, opted_out, expected) in table {
            assert_eq!(
                AttemptEnd::of(reason, outcome, answered, opted_out),
                expected,
                "{reason} {outcome:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_tenth(jitter in proptest::num::f64::ANY, delay_s in 60_u32..604_800) {
            let policy = RetryPolicy::Fixed { delay_s, max: 3 };
            let Retry::At(at) = next(policy, AttemptEnd::Busy, 1, now(), jitter, CAPS) else { panic!("retried") };
            let waited = (at.as_millisecond() - now().as_millisecond()) as f64 / 1000.0;
            let delay = f64::from(delay_s);
            prop_assert!((0.9 * delay - 0.01..=1.1 * delay + 0.01).contains(&waited), "{waited} of {delay}");
        }

        #[test]
        fn no_lead_is_tried_for_ever(attempt_no in 11_u32..) {
            let endless = RetryPolicy::Exponential { base_s: 60, cap_s: 60, max: u32::MAX };
            prop_assert_eq!(wait(endless, AttemptEnd::Busy, attempt_no, CAPS), Err(GiveUp::LeadCap));
        }
    }
}
