//! What each persona must lead to. The demo succeeds only if it did.

use super::Persona;
use super::follow::Followed;

/// What must have happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expectation {
    status: &'static str,
    end_reasons: &'static [&'static str],
    outcomes: &'static [Option<&'static str>],
    /// Whether there was a conversation: turns, a recording and a full trace.
    talked: bool,
}

impl Expectation {
    /// By persona. A conversation that was cut short is `not_fit`, inconclusive.
    pub(crate) fn of(persona: Persona) -> Self {
        const ENDED: &[&str] = &["agent_completed", "caller_hangup"];
        let talk = |outcomes| Self { status: "completed", end_reasons: ENDED, outcomes, talked: true };
        match persona {
            Persona::Books | Persona::Interrupts | Persona::Backchannels => talk(&[Some("booked")]),
            Persona::Qualifies => talk(&[Some("qualified")]),
            Persona::Declines | Persona::SaysStop => talk(&[Some("not_fit")]),
            Persona::WrongNumber => talk(&[Some("wrong_number")]),
            Persona::Voicemail | Persona::Silent => talk(&[Some("no_answer")]),
            Persona::HangsUp => Self { end_reasons: &["caller_hangup"], ..talk(&[Some("not_fit")]) },
            Persona::Busy => {
                Self { status: "busy", end_reasons: &["busy"], outcomes: &[Some("no_answer")], talked: false }
            }
            Persona::NoAnswer => Self {
                status: "no_answer",
                end_reasons: &["no_answer"],
                outcomes: &[Some("no_answer")],
                talked: false,
            },
        }
    }

    /// What is not as it must be, in sentences; empty when all is well.
    pub(crate) fn complaints(&self, call: &Followed) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut require = |holds: bool, text: String| {
            if !holds {
                complaints.push(text);
            }
        };
        require(call.status == self.status, format!("status is {}, not {}", call.status, self.status));
        require(
            self.end_reasons.contains(&call.end_reason.as_str()),
            format!("ended by {}", call.end_reason),
        );
        require(self.outcomes.contains(&call.outcome.as_deref()), format!("outcome is {:?}", call.outcome));
        require(!call.webhooks.is_empty(), "no webhook arrived".to_owned());
        require(call.webhooks.iter().all(|hook| hook.verified), "a signature was refused".to_owned());
        let reported =
            call.outcome.as_ref().is_none_or(|outcome| call.heard_of(&format!("outcome.{outcome}")));
        require(reported, "the outcome's webhook did not arrive".to_owned());
        if self.talked {
            require(call.heard_of("call.answered"), "call.answered did not arrive".to_owned());
            require(!call.turns.is_empty(), "no turn was recorded".to_owned());
            require(call.recording.is_some(), "there is no stereo recording".to_owned());
            require(call.trace_spans >= 4, format!("the trace has {} spans", call.trace_spans));
        }
        complaints
    }
}
