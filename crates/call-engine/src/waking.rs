//! All deadlines in one place. Each is computed from the state that causes it, so leaving the
//! state removes it; keeping one always leaves its state.

use crate::calling::Leg;
use crate::ending::Cause;
use crate::engine::Engine;
use crate::io::{Deadline, DeadlineReason, Input, Time};

/// Deadlines kept at once, after which the shell is asked to wake the engine again.
const MAX_AT_ONCE: u32 = 64;

/// The caller's silence.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Silence {
    /// Since when nobody speaks and nothing is being done.
    since: Option<Time>,
    /// Prompts since the caller's last turn.
    pub(crate) prompts: u32,
}

impl Engine {
    /// When to be woken, and why. `None` before the start and after the end.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadlines().into_iter().flatten().min()
    }

    fn deadlines(&self) -> [Option<Deadline>; 11] {
        use DeadlineReason as Why;
        let talking = self.leg.is_talking();
        let when = |reason: Why, at: Option<Time>| at.filter(|_| talking).map(|at| Deadline { at, reason });
        let tuning = &self.config.tuning;
        let turn = self.caller.turn_ends(tuning).filter(|_| talking && self.is_listening());
        [
            self.leg_deadline(),
            when(Why::GoodbyeTail, self.closing.as_ref().map(|closing| closing.hang_up_at)),
            when(Why::AnsweringMachine, self.opening_deadline()),
            turn.map(|(at, reason)| Deadline { at, reason }),
            when(Why::TranscriptLate, self.caller.speech_doubted(self.answer_waits(), tuning)),
            when(Why::InterruptionDecision, self.hold_deadline()),
            when(Why::LlmLate, self.reply_deadline()),
            when(Why::PlayoutStalled, self.stall_deadline()),
            when(Why::TransferLate, self.transfer_deadline()),
            when(Why::KeysComplete, self.keypad.complete_at(tuning.key_pause_ms)),
            when(Why::NoInput, self.silence_deadline()),
        ]
    }

    fn leg_deadline(&self) -> Option<Deadline> {
        match self.leg {
            Leg::Connecting { give_up_at: at, .. } => Some(Deadline { at, reason: DeadlineReason::MaxRing }),
            Leg::Talking { until: at } if self.closing.is_none() => {
                Some(Deadline { at, reason: DeadlineReason::MaxCallLength })
            }
            Leg::HangingUp { give_up_at: at, .. } => Some(Deadline { at, reason: DeadlineReason::HangUp }),
            Leg::New | Leg::Talking { .. } | Leg::Over => None,
        }
    }

    /// Keeps what is due: on waking, all up to now; on other inputs, what was due before.
    pub(crate) fn keep_deadlines(&mut self, input: &Input) {
        let woken = *input == Input::Wake;
        for _ in 0..MAX_AT_ONCE {
            let Some(deadline) = self.deadline() else { return };
            if deadline.at > self.now || (deadline.at == self.now && !woken) {
                return;
            }
            self.keep(deadline.reason);
            self.settle();
        }
    }

    fn keep(&mut self, reason: DeadlineReason) {
        match reason {
            DeadlineReason::MaxRing => self.hang_up(Cause::RingLimit),
            DeadlineReason::HangUp => self.finish_hanging_up(),
            DeadlineReason::MaxCallLength => self.time_up(),
            DeadlineReason::GoodbyeTail => self.goodbye_over(),
            DeadlineReason::AnsweringMachine => self.opening_due(),
            DeadlineReason::Endpointing => self.turn_over(),
            DeadlineReason::TranscriptLate => self.transcript_late(),
            DeadlineReason::InterruptionDecision => self.judge_hold(),
            DeadlineReason::LlmLate => self.reply_late(),
            DeadlineReason::PlayoutStalled => self.playout_stalled(),
            DeadlineReason::TransferLate => self.transfer_late(),
            DeadlineReason::KeysComplete => self.keys_over(),
            DeadlineReason::NoInput => self.caller_silent(),
        }
    }

    /// Either final words are late, or speech has none at all.
    fn transcript_late(&mut self) {
        let turn = self.caller.turn_ends(&self.config.tuning);
        if self.is_listening() && turn.is_some_and(|(at, _)| at <= self.now) {
            self.turn_over();
        } else {
            self.doubt_speech();
        }
    }

    /// Whether nobody speaks, nothing is being done and nothing is awaited but the caller.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_listening() && self.mouth.is_empty() && !self.is_thinking() && self.floor_is_free()
    }

    pub(crate) fn note_silence(&mut self) {
        let idle = self.is_idle();
        let since = self.silence.since.unwrap_or(self.now);
        self.silence.since = idle.then_some(since);
    }

    fn silence_deadline(&self) -> Option<Time> {
        let patience = u64::from(self.config.flow.call.silence_prompt_ms);
        self.silence.since.map(|since| since.plus_ms(patience))
    }

    fn caller_silent(&mut self) {
        let [first, second] = self.phrases.prompts;
        self.prompt(if self.silence.prompts.is_multiple_of(2) { first } else { second });
    }

    /// Prompts the caller, or takes leave after the last prompt.
    pub(crate) fn prompt(&mut self, line: &str) {
        self.silence.since = None;
        if self.silence.prompts < self.config.flow.call.max_silence_prompts {
            self.silence.prompts += 1;
            return self.say_line(line);
        }
        self.verdict.nobody = !self.turns.caller_has_spoken();
        self.end_with_line(Cause::Completed, self.phrases.silent_goodbye);
    }
}
