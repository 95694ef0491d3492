//! Barge-in: playout is held at the caller's first sound, then either stopped for good or
//! resumed where it was held. Every hold has a decision time, so no agent stays mute.

use crate::engine::Engine;
use crate::io::{Event, Output, Time};
use crate::tuning::Tuning;
use crate::utterance::{Hold, Playout, Utterance};
use crate::words::{is_backchannel, is_hello, is_murmur};

/// What becomes of a held utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Interrupt,
    Resume,
}

/// What the caller's words are to the agent's speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// There are none yet.
    None,
    /// They accompany. Partial ones may become more.
    Backchannel { is_final: bool },
    /// They take the floor.
    Real,
}

/// When a hold is decided, and how, unless something happens before.
fn decision(hold: Hold, weight: Weight, tuning: &Tuning) -> (Time, Verdict) {
    let decided = match (weight, hold.ended) {
        (Weight::Real, _) => (hold.since, Verdict::Interrupt),
        (Weight::None, None) => {
            (hold.speech.plus_ms(tuning.interrupt_after_ms + tuning.vad_hangover_ms), Verdict::Interrupt)
        }
        (Weight::None, Some(ended)) => (ended.plus_ms(tuning.resume_after_ms), Verdict::Resume),
        (Weight::Backchannel { .. }, None) => {
            (hold.speech.plus_ms(tuning.backchannel_max_ms + tuning.vad_hangover_ms), Verdict::Interrupt)
        }
        (Weight::Backchannel { is_final: true }, Some(ended)) => (ended, Verdict::Resume),
        (Weight::Backchannel { is_final: false }, Some(ended)) => {
            (ended.plus_ms(tuning.resume_after_backchannel_ms), Verdict::Resume)
        }
    };
    let verdict_at_cap = if hold.ended.is_some() { Verdict::Resume } else { Verdict::Interrupt };
    let cap = (hold.since.plus_ms(tuning.hold_cap_ms), verdict_at_cap);
    if cap.0 < decided.0 { cap } else { decided }
}

impl Engine {
    /// The caller makes a sound: hold what may be held.
    pub(crate) fn hold_playout(&mut self, speech: Time) {
        let now = self.now;
        let Some(utterance) = self.mouth.front_mut().filter(|u| u.interruptible) else { return };
        match &mut utterance.playout {
            Playout::Held => {}
            Playout::Paused(hold) => (hold.speech, hold.ended) = (speech, None),
            Playout::Playing => {
                utterance.playout = Playout::Paused(Hold { since: now, speech, ended: None });
                let generation = utterance.generation;
                self.push(Output::Pause { generation });
            }
        }
    }

    pub(crate) fn held_speech_ended(&mut self, at: Time) {
        let held = self.mouth.front_mut().map(|utterance| &mut utterance.playout);
        if let Some(Playout::Paused(hold)) = held {
            hold.ended = Some(at.max(hold.speech));
            self.judge_hold();
        }
    }

    pub(crate) fn hold_deadline(&self) -> Option<Time> {
        self.hold_decision().map(|(at, _)| at)
    }

    fn hold_decision(&self) -> Option<(Time, Verdict)> {
        let utterance = self.mouth.front()?;
        let weight = self.weight_against(utterance);
        Some(decision(utterance.hold()?, weight, &self.config.tuning))
    }

    fn weight_against(&self, utterance: &Utterance) -> Weight {
        let text = self.caller.text();
        let accompanies = if utterance.greets {
            // Nothing of the greeting was heard: these words still pick up the phone.
            is_hello(&text) || !utterance.is_audible()
        } else {
            // Near its first and last words a "yeah" may be the answer; an "mm-hmm" never is.
            is_murmur(&text)
                || (is_backchannel(&text) && !utterance.near_boundary(self.config.tuning.boundary_ms))
        };
        match (text.is_empty(), accompanies) {
            (true, _) => Weight::None,
            (false, true) => Weight::Backchannel { is_final: !self.caller.is_tentative() },
            (false, false) => Weight::Real,
        }
    }

    /// Decides, if it is time.
    pub(crate) fn judge_hold(&mut self) {
        match self.hold_decision() {
            Some((at, Verdict::Interrupt)) if at <= self.now => self.interrupt(),
            Some((at, Verdict::Resume)) if at <= self.now => {
                self.resume_playout();
                self.put_aside_words();
                self.emit(Event::Interruption { false_alarm: true });
            }
            Some(_) | None => {}
        }
    }

    /// Words that took no turn: those that picked up the phone go on record, an "mm-hmm" not.
    fn put_aside_words(&mut self) {
        if self.mouth.front().is_some_and(|utterance| utterance.greets) {
            self.record_unanswered_words();
        }
        self.caller.forget();
    }

    /// Goes on where playout was held.
    pub(crate) fn resume_playout(&mut self) {
        let now = self.now;
        let Some(utterance) = self.mouth.front_mut().filter(|u| u.hold().is_some()) else { return };
        utterance.playout = Playout::Playing;
        utterance.progress = now;
        let generation = utterance.generation;
        self.push(Output::Resume { generation });
    }

    /// Words came without a sound: late ones, or the voice detector missed it.
    pub(crate) fn words_over_playout(&mut self, is_final: bool) {
        let Some(utterance) = self.mouth.on_wire() else { return };
        let text = self.caller.text();
        let accompanies = is_backchannel(&text) || (utterance.greets && is_hello(&text));
        if !accompanies {
            self.interrupt();
        } else if is_final {
            self.caller.forget();
        }
    }

    /// A key was pressed: what may be stopped is stopped.
    pub(crate) fn interrupt_for_keys(&mut self) {
        if self.mouth.on_wire().is_some_and(|utterance| utterance.interruptible) {
            self.interrupt();
        } else {
            self.abandon_answer();
        }
    }

    /// The caller takes the floor: the answer ends here, with what was heard of it.
    fn interrupt(&mut self) {
        self.stop_front(self.config.tuning.fade_ms);
        self.abandon_answer();
        self.emit(Event::Interruption { false_alarm: false });
        self.finish_agent_turn(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    fn decide(weight: Weight, ended: Option<u64>) -> (u64, Verdict) {
        let hold = Hold { since: ms(60), speech: ms(0), ended: ended.map(ms) };
        let (at, verdict) = decision(hold, weight, &Tuning::default());
        (at.ms(), verdict)
    }

    #[test]
    fn a_hold_is_decided_by_what_was_said_and_for_how_long() {
        let table = [
            (Weight::Real, None, (60, Verdict::Interrupt)),
            (Weight::None, None, (750, Verdict::Interrupt)),
            (Weight::None, Some(300), (1_100, Verdict::Resume)),
            (Weight::Backchannel { is_final: false }, None, (1_250, Verdict::Interrupt)),
            (Weight::Backchannel { is_final: false }, Some(300), (600, Verdict::Resume)),
            (Weight::Backchannel { is_final: true }, Some(300), (300, Verdict::Resume)),
            (Weight::None, Some(9_000), (4_060, Verdict::Resume)),
        ];
        for (weight, ended, expected) in table {
            assert_eq!(decide(weight, ended), expected, "{weight:?} {ended:?}");
        }
    }
}
