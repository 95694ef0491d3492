//! The caller's turn: speech, words and keys come in; when the turn is over, it is answered.
//!
//! The model may be asked before the turn is over, on the final words: such an answer is only
//! thought and prepared. It is played, and its tools run, only if the turn ends with just these
//! words.

use crate::caller::{Said, Speech};
use crate::engine::Engine;
use crate::io::{Event, Time};
use crate::words::{is_backchannel, same_words};

impl Engine {
    pub(crate) fn speech_started(&mut self, at: Time) {
        let at = at.min(self.now);
        self.caller.speech_started(at, self.now);
        self.opening_speech_started(at);
        self.hold_playout(at);
    }

    pub(crate) fn speech_ended(&mut self, at: Time) {
        let at = at.min(self.now);
        self.caller.speech_ended(at);
        self.opening_speech_ended(at);
        self.held_speech_ended(at);
        self.speculate();
    }

    pub(crate) fn transcript(&mut self, text: &str, is_final: bool, score: Option<f32>) {
        let belongs_to_hello = self.are_words_of_hello();
        let changed = self.caller.heard(text, is_final, score, self.now);
        if is_final && (self.config.is_opt_out)(text) {
            return self.opt_out_by_words();
        }
        if self.closing.is_some() {
            return;
        }
        if changed && !is_final {
            self.emit(Event::Partial { text: self.caller.text() });
        }
        if !self.opening.is_done() {
            self.opening_words(is_final);
        } else if belongs_to_hello {
            self.words_of_hello(is_final);
        } else if self.caller.has_words() {
            self.weigh_words(is_final);
        }
    }

    fn words_of_hello(&mut self, is_final: bool) {
        if is_final {
            self.record_unanswered_words();
        }
    }

    /// Words while the agent speaks may interrupt it; words while it thinks continue the turn
    /// it thinks about; mere backchannels do neither.
    fn weigh_words(&mut self, is_final: bool) {
        let on_wire = self.mouth.on_wire().map(|u| (u.interruptible, u.hold().is_some()));
        match on_wire {
            Some((_, true)) => self.judge_hold(),
            Some((true, false)) => self.words_over_playout(is_final),
            Some((false, false)) => {}
            None => self.words_over_thinking(),
        }
        self.drop_stale_speculation();
        self.speculate();
    }

    fn words_over_thinking(&mut self) {
        if !self.is_answering() {
            return;
        }
        if is_backchannel(&self.caller.text()) {
            self.caller.forget();
        } else {
            self.abandon_answer();
        }
    }

    /// Whether the end of the caller's turn is what is waited for.
    pub(crate) fn is_listening(&self) -> bool {
        self.opening.is_done()
            && self.closing.is_none()
            && self.transfer.is_none()
            && self.mouth.on_wire().is_none()
            && self.keypad.is_empty()
    }

    fn drop_stale_speculation(&mut self) {
        let text = self.caller.text();
        if self.speculated_text().is_some_and(|thought| !same_words(thought, &text)) {
            self.abandon_answer();
        }
    }

    /// Asks the model early, if the words are final and sound like a whole turn.
    fn speculate(&mut self) {
        let tuning = &self.config.tuning;
        let worth_it = self.is_listening()
            && self.reply.is_none()
            && self.mouth.is_empty()
            && self.caller.speech == Speech::Quiet
            && self.caller.sounds_done(tuning)
            && self.caller.speculations < tuning.max_speculations;
        if worth_it {
            self.caller.speculations += 1;
            self.begin_speculation(self.caller.text());
        }
    }

    /// The caller's turn is over.
    pub(crate) fn turn_over(&mut self) {
        let Some(said) = self.caller.take(self.now) else { return };
        if (self.config.is_opt_out)(&said.text) {
            self.record(said, false);
            return self.opt_out();
        }
        let text = said.text.clone();
        self.record(said, true);
        if !self.keep_speculation(&text) {
            self.abandon_answer();
            self.begin_answer();
        }
    }

    /// Speech has no words, or no end. Either the recogniser or the detector is wrong.
    pub(crate) fn doubt_speech(&mut self) {
        match self.caller.speech {
            Speech::Quiet => {}
            Speech::Speaking { .. } => {
                self.trouble("speech without end");
                self.speech_ended(self.now);
            }
            Speech::Unheard { length_ms, .. } => {
                self.caller.speech = Speech::Quiet;
                if length_ms >= self.config.tuning.unheard_speech_ms {
                    self.trouble("speech without words");
                    self.ask_again();
                }
            }
        }
    }

    fn ask_again(&mut self) {
        if self.is_idle() {
            self.prompt(self.phrases.pardon);
        }
    }

    /// Puts a turn of the caller on record.
    fn record(&mut self, said: Said, awaits_answer: bool) {
        if self.mouth.on_wire().is_none() {
            self.finish_agent_turn(false);
        }
        let turn = self.turns.caller(&said, awaits_answer, self.now);
        self.history.user(said.text);
        self.silence.prompts = 0;
        self.emit(Event::Turn(turn));
    }

    /// Puts the words so far on record; nothing answers them.
    pub(crate) fn record_unanswered_words(&mut self) {
        if let Some(said) = self.caller.take(self.now) {
            self.record(said, false);
        }
    }

    /// A key stops the agent like a word, and keys together are a turn.
    pub(crate) fn key(&mut self, key: char) {
        if self.closing.is_some() || self.transfer.is_some() || !self.opening.is_done() {
            return;
        }
        let complete = self.keypad.press(key, self.now);
        if self.keypad.is_empty() {
            return;
        }
        self.interrupt_for_keys();
        if complete {
            self.keys_over();
        }
    }

    /// The keys are a turn.
    pub(crate) fn keys_over(&mut self) {
        let Some((text, started, ended)) = self.keypad.take() else { return };
        self.record_unanswered_words();
        self.record(Said { text, started, ended, final_at: self.now }, true);
        self.abandon_answer();
        self.begin_answer();
    }
}
