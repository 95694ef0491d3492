//! The first seconds after the answer. Inbound, the agent greets at once. Outbound, it waits
//! for the callee's "hello?" or a short silence, so that neither talks over the other; a long
//! first speech may be a machine's, and the model tells which, while the greeting is held, but
//! never past a cap.

use crate::engine::Engine;
use crate::io::{Generation, LlmRequest, Output, Time, ToolCall};
use crate::tools;
use crate::utterance::Utterance;

/// How far the opening is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Not answered yet.
    NotYet,
    /// Nobody has spoken.
    Quiet { greet_at: Time },
    /// The callee speaks for the first time.
    Hello { since: Time },
    /// The callee has spoken, shortly.
    AfterHello { since: Time, greet_at: Time },
    /// The callee speaks so long that it may be a machine.
    Long { ask_by: Time },
    /// The model listens to what was said.
    Asking { generation: Generation, greet_by: Time },
    /// A person, who is still speaking.
    Human { greet_by: Time },
    /// The greeting is under way or done. Until then, words of the "hello?" may still come.
    Done { hello_until: Time },
}

/// The final words of a "hello?" come at most this long after the greeting began.
const HELLO_WORDS_MS: u64 = 2_000;

const MACHINE_QUESTION: &str = "You have placed a call and hear how it was answered. If an \
answering machine or voicemail answered, call the tool voicemail. If a person, a receptionist or \
a call screening service answered, reply with the one word: person.";

impl Opening {
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl Engine {
    pub(crate) fn open_conversation(&mut self) {
        if self.is_outbound() {
            let greet_at = self.now.plus_ms(self.config.tuning.greet_after_silence_ms);
            self.opening = Opening::Quiet { greet_at };
        } else {
            self.greet();
        }
    }

    pub(crate) fn opening_speech_started(&mut self, at: Time) {
        self.opening = match self.opening {
            Opening::Quiet { .. } => Opening::Hello { since: at },
            Opening::AfterHello { since, .. } => Opening::Hello { since },
            Opening::Done { .. } => Opening::Done { hello_until: self.now },
            other => other,
        };
    }

    pub(crate) fn opening_speech_ended(&mut self, at: Time) {
        match self.opening {
            Opening::Hello { since } => self.hello_over(since, at),
            Opening::Long { .. } if self.caller.has_words() && !self.caller.is_tentative() => {
                self.ask_who_answered();
            }
            Opening::Long { ask_by } => {
                let wait = self.now.plus_ms(self.config.tuning.final_wait_ms);
                self.opening = Opening::Long { ask_by: ask_by.min(wait) };
            }
            Opening::Human { .. } => self.greet(),
            _ => {}
        }
    }

    /// Words came during the opening.
    pub(crate) fn opening_words(&mut self, is_final: bool) {
        match self.opening {
            Opening::Long { .. } if is_final && !self.caller.is_speaking() => self.ask_who_answered(),
            // The voice detector missed it.
            Opening::Quiet { .. } => self.hello_over(self.now, self.now),
            _ => {}
        }
    }

    fn hello_over(&mut self, since: Time, at: Time) {
        let greet_at = at.plus_ms(self.config.tuning.greet_after_hello_ms).max(self.now);
        self.opening = Opening::AfterHello { since, greet_at };
    }

    pub(crate) fn opening_deadline(&self) -> Option<Time> {
        match self.opening {
            Opening::NotYet | Opening::Done { .. } => None,
            Opening::Hello { since } => Some(since.plus_ms(self.config.tuning.long_greeting_ms)),
            Opening::Quiet { greet_at: at } | Opening::AfterHello { greet_at: at, .. } => Some(at),
            Opening::Long { ask_by: at } => Some(at),
            Opening::Asking { greet_by: at, .. } | Opening::Human { greet_by: at } => Some(at),
        }
    }

    pub(crate) fn opening_due(&mut self) {
        match self.opening {
            Opening::Hello { since } => {
                let ask_by = since.plus_ms(self.config.tuning.long_greeting_cap_ms);
                self.opening = Opening::Long { ask_by };
            }
            Opening::Long { .. } if self.caller.has_words() => self.ask_who_answered(),
            Opening::Asking { generation, .. } => {
                self.push(Output::CancelLlm { generation });
                self.greet();
            }
            Opening::Quiet { .. }
            | Opening::AfterHello { .. }
            | Opening::Long { .. }
            | Opening::Human { .. } => self.greet(),
            Opening::NotYet | Opening::Done { .. } => {}
        }
    }

    fn ask_who_answered(&mut self) {
        let generation = self.next_generation();
        let greet_by = self.now.plus_ms(self.config.tuning.machine_verdict_ms);
        self.opening = Opening::Asking { generation, greet_by };
        let mut messages = crate::history::History::default();
        messages.user(self.caller.text());
        let messages = messages.messages(MACHINE_QUESTION.to_owned());
        let request = LlmRequest { messages, tools: vec![tools::voicemail()] };
        self.push(Output::StartLlm { generation, request });
    }

    /// Whether this generation is the question who answered.
    pub(crate) fn asks_who_answered(&self, wanted: Generation) -> bool {
        matches!(self.opening, Opening::Asking { generation, .. } if generation == wanted)
    }

    /// The model called a tool when asked who answered.
    pub(crate) fn machine_or_not(&mut self, call: &ToolCall) {
        if tools::read(call) == Ok(tools::Own::Voicemail) {
            self.voicemail();
        }
    }

    /// The model, asked who answered, named no machine.
    pub(crate) fn person_answered(&mut self) {
        if self.caller.is_speaking() {
            let greet_by = self.now.plus_ms(self.config.tuning.machine_verdict_ms);
            self.opening = Opening::Human { greet_by };
        } else {
            self.greet();
        }
    }

    /// Speaks the greeting. What the callee said to pick up is recorded, not answered.
    fn greet(&mut self) {
        self.opening = Opening::Done { hello_until: self.now.plus_ms(HELLO_WORDS_MS) };
        self.record_unanswered_words();
        let greeting = self.config.greeting.trim().to_owned();
        if greeting.is_empty() {
            self.begin_answer();
            return;
        }
        let mut utterance = Utterance::new(self.next_generation(), self.now);
        utterance.greets = true;
        self.say(utterance, &greeting);
    }

    /// Whether these words still belong to the "hello?" that the greeting has already answered.
    pub(crate) fn are_words_of_hello(&self) -> bool {
        let awaited = matches!(self.opening, Opening::Done { hello_until } if self.now < hello_until);
        awaited && self.is_outbound() && !self.caller.is_speaking()
    }
}
