//! What each persona must lead to. The demo succeeds only if it did.

use super::Persona;
use super::follow::Followed;
use super::story::ToldTurn;

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
            require(call.heard_of("call.started"), "call.started did not arrive".to_owned());
            require(call.heard_of("call.answered"), "call.answered did not arrive".to_owned());
            require(!call.turns.is_empty(), "no turn was recorded".to_owned());
            require(call.recording.is_some(), "there is no stereo recording".to_owned());
            require(call.trace_spans >= 4, format!("the trace has {} spans", call.trace_spans));
        }
        if call.outcome.as_deref() == Some("booked") {
            require(call.booking["slot"].is_string(), "nothing was booked".to_owned());
            require(
                call.slots.as_object().is_some_and(|slots| !slots.is_empty()),
                "no slot was filled".to_owned(),
            );
            let timed = |turn: &ToldTurn| turn.engine_ms.is_some() && turn.heard_ms.is_some();
            require(call.turns.iter().any(timed), "no turn has its two latencies".to_owned());
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::story::Hook;
    use serde_json::{Value, json};

    fn hooks(events: &[&str]) -> Vec<Hook> {
        let hook = |event: &&str| Hook {
            event: (*event).to_owned(),
            verified: true,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        events.iter().map(hook).collect()
    }

    fn booked() -> Followed {
        let turn = ToldTurn {
            speaker: "agent".to_owned(),
            text: "Hi".to_owned(),
            interrupted: false,
            ended_ms: 1,
            engine_ms: Some(1.0),
            heard_ms: Some(2.0),
        };
        Followed {
            persona: Persona::Books,
            call_id: "call_1".to_owned(),
            status: "completed".to_owned(),
            end_reason: "agent_completed".to_owned(),
            outcome: Some("booked".to_owned()),
            slots: json!({ "need": "a degree" }),
            booking: json!({ "slot": "2026-11-22T15:30:00Z" }),
            turns: vec![turn],
            webhooks: hooks(&["lead.created", "call.started", "call.answered", "outcome.booked"]),
            recording: Some("call_1.wav".into()),
            trace: Vec::new(),
            trace_file: "call_1.trace.json".into(),
            trace_spans: 20,
            took: std::time::Duration::ZERO,
        }
    }

    fn complaints(change: impl FnOnce(&mut Followed)) -> Vec<String> {
        let mut call = booked();
        change(&mut call);
        Expectation::of(Persona::Books).complaints(&call)
    }

    #[test]
    fn a_whole_call_gives_no_reason_to_complain() {
        assert!(complaints(|_| {}).is_empty());
    }

    #[test]
    fn whatever_is_missing_is_complained_about() {
        let one =
            |change: fn(&mut Followed)| assert_eq!(complaints(change).len(), 1, "{:?}", complaints(change));
        one(|call| "failed".clone_into(&mut call.status));
        one(|call| "agent_error".clone_into(&mut call.end_reason));
        one(|call| call.webhooks[1].verified = false);
        one(|call| drop(call.webhooks.pop()));
        one(|call| drop(call.webhooks.remove(2)));
        one(|call| call.turns[0].heard_ms = None);
        one(|call| call.recording = None);
        one(|call| call.trace_spans = 0);
        one(|call| call.booking = Value::Null);
        one(|call| call.slots = json!({}));
    }

    #[test]
    fn a_persona_that_is_not_reached_must_not_look_reached() {
        let busy = Expectation::of(Persona::Busy).complaints(&booked());
        assert_eq!(busy.len(), 3, "status, end reason and outcome: {busy:?}");
    }
}
