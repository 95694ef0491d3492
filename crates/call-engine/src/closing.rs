//! The end of a conversation: the last words are heard to the end, then the leg hangs up.

use crate::ending::Cause;
use crate::engine::Engine;
use crate::io::{Event, Output, Time};
use crate::keypad::Keypad;
use crate::opening::Opening;
use crate::utterance::Utterance;

/// The agent takes its leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) cause: Cause,
    /// A moment after the last word, once that has been played; until then, a cap.
    pub(crate) hang_up_at: Time,
    played: bool,
}

impl Engine {
    /// Ends the call after all that is to be said, which nobody may stop any more.
    pub(crate) fn end_after_goodbye(&mut self, cause: Cause) {
        if self.closing.is_none() {
            let hang_up_at = self.now.plus_ms(self.config.tuning.goodbye_cap_ms);
            self.closing = Some(Closing { cause, hang_up_at, played: false });
            self.forget_transfer();
            self.keypad = Keypad::default();
            self.mouth.make_uninterruptible();
            self.resume_playout();
        }
    }

    /// Drops all that is to be said, says `line`, and ends the call.
    pub(crate) fn end_with_line(&mut self, cause: Cause, line: &str) {
        if self.closing.is_none() {
            self.stop_everything();
            let mut utterance = Utterance::new(self.next_generation(), self.now);
            utterance.interruptible = false;
            self.say(utterance, line);
            self.end_after_goodbye(cause);
        }
    }

    /// Ends the call at once. A cause that is already on record stays.
    pub(crate) fn hang_up_for(&mut self, cause: Cause) {
        let cause = self.closing.take().map_or(cause, |closing| closing.cause);
        self.hang_up(cause);
    }

    /// When the goodbye has been played, a moment for its last word to leave the line.
    pub(crate) fn note_goodbye_over(&mut self) {
        let until = self.now.plus_ms(self.config.tuning.tail_ms);
        if let Some(closing) = self.closing.as_mut().filter(|c| !c.played && self.mouth.is_empty()) {
            (closing.played, closing.hang_up_at) = (true, until);
        }
    }

    /// The last word has left the line, or never will.
    pub(crate) fn goodbye_over(&mut self) {
        if let Some(closing) = self.closing.take() {
            self.hang_up(closing.cause);
        }
    }

    /// Nobody hears what is said from here on: all requests are dropped and all that was heard
    /// goes on record, the caller's last words included.
    pub(crate) fn fall_silent(&mut self) {
        let cut_off = self.mouth.on_wire().is_some();
        self.stop_everything();
        self.finish_agent_turn(cut_off);
        let last_words = self.caller.text();
        self.record_unanswered_words();
        self.note_opt_out(&last_words);
    }

    fn stop_everything(&mut self) {
        if let Opening::Asking { generation, .. } = self.opening {
            self.push(Output::CancelLlm { generation });
        }
        self.opening = Opening::Done { hello_until: self.now };
        if self.mouth.on_wire().is_some() {
            self.stop_front(self.config.tuning.fade_ms);
        }
        self.mouth.make_interruptible();
        self.abandon_answer();
    }

    /// An answering machine took the call.
    pub(crate) fn voicemail(&mut self) {
        self.emit(Event::Voicemail);
        self.verdict.nobody = true;
        self.hang_up_for(Cause::Completed);
    }

    /// The caller's own words forbid further calls.
    pub(crate) fn opt_out_by_words(&mut self) {
        if self.closing.is_some() {
            return self.note_opted_out();
        }
        self.record_unanswered_words();
        self.opt_out();
    }

    /// Further calls are forbidden: confirms, and ends the call.
    pub(crate) fn opt_out(&mut self) {
        self.note_opted_out();
        self.end_with_line(Cause::Completed, self.phrases.opted_out);
    }

    /// Looks for an opt-out in words that nothing answers any more.
    pub(crate) fn note_opt_out(&mut self, text: &str) {
        if (self.config.is_opt_out)(text) {
            self.note_opted_out();
        }
    }

    pub(crate) fn note_opted_out(&mut self) {
        if !std::mem::replace(&mut self.verdict.opted_out, true) {
            self.emit(Event::OptedOut);
        }
    }

    /// The longest length of a call is reached.
    pub(crate) fn time_up(&mut self) {
        self.end_with_line(Cause::Timeout, self.phrases.time_up);
    }
}
