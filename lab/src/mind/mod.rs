//! A deterministic mind for the model's stand-in: it qualifies a lead as the prompt's tools ask.
//!
//! Pure: a conversation and the present time go in, text and tool calls come out. It remembers
//! nothing; what it knows it reads from the messages, as a model does. It never calls a tool that
//! was not offered.
//!
//! It knows no wire format ([`Conversation`] is what the stand-in makes of a request), and it
//! understands only phrases that are listed: [`understand`] for what people mean, [`phrases`] for
//! what it says. To teach it a situation, add a meaning there and an arm in [`think`].

mod conversation;
mod phrases;
#[cfg(test)]
mod tests;
mod understand;

pub use conversation::{Call, Conversation, Turn};

use conversation::Proposal;
use jiff::Timestamp;
use phrases::Language;
use serde_json::{Value, json};
use understand::{Meaning, understand};

/// What the mind says and wants done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// Spoken text; may be empty.
    pub text: String,
    /// Tool calls: name and arguments.
    pub calls: Vec<(String, Value)>,
}

impl Reply {
    fn say(text: impl Into<String>) -> Self {
        Self { text: text.into(), calls: Vec::new() }
    }
}

/// Answers the last message of the conversation.
#[must_use]
pub fn think(conversation: &Conversation, now: Timestamp) -> Reply {
    let mind = Mind { conversation, language: Language::of(conversation), now };
    match conversation.turns.last() {
        Some(Turn::Tool { .. }) => mind.after_tools(),
        Some(Turn::Caller(_)) => mind.answer(&conversation.last_words()),
        Some(Turn::Agent { .. }) => mind.break_silence(),
        None => mind.open(),
    }
}

struct Mind<'a> {
    conversation: &'a Conversation,
    language: Language,
    now: Timestamp,
}

impl Mind<'_> {
    /// Nobody has spoken: the mind greets.
    fn open(&self) -> Reply {
        self.go_on(self.language.greeting(&self.conversation.role()), Vec::new())
    }

    /// The caller has not answered what was said last.
    fn break_silence(&self) -> Reply {
        let still_there = self.language.still_there();
        let question = self.pending_question().unwrap_or_default();
        Reply::say(join(&[still_there, &question]))
    }

    fn answer(&self, words: &str) -> Reply {
        match understand(words) {
            Meaning::Voicemail if self.offers("voicemail") => self.call("voicemail", json!({}), ""),
            Meaning::Voicemail => self.end("qualified", None, ""),
            Meaning::OptOut => self.opt_out(),
            Meaning::WrongNumber => self.end("wrong_number", None, self.language.sorry_wrong_number()),
            Meaning::Refusal => self.end("not_fit", Some("not interested"), self.language.no_thanks()),
            Meaning::Screening => Reply::say(self.language.introduce(&self.conversation.role())),
            Meaning::Callback => self.end("qualified", None, self.language.call_back()),
            Meaning::Greeting | Meaning::Backchannel => self.go_on(String::new(), Vec::new()),
            Meaning::Question => self.go_on(self.language.brief_answer().into(), Vec::new()),
            Meaning::Unclear => self.ask_again(),
            Meaning::Agreement | Meaning::Disagreement | Meaning::Statement => self.take(words),
        }
    }

    /// Takes the words as the answer to what was asked.
    fn take(&self, words: &str) -> Reply {
        if self.conversation.proposal(self.language) == Proposal::Pending {
            return self.settle_proposal(words);
        }
        let asked = self.asked_slot().or_else(|| self.volunteered_slot(words));
        match asked {
            Some(slot) => {
                let value = words.trim().trim_end_matches(['.', '!', ',']);
                let save = ("save_slot".into(), json!({ "name": slot, "value": value }));
                self.go_on(self.language.thanks().into(), vec![save])
            }
            None => self.go_on(self.language.great().into(), Vec::new()),
        }
    }

    fn settle_proposal(&self, words: &str) -> Reply {
        if understand(words) == Meaning::Disagreement {
            return self.end("qualified", None, self.language.call_back());
        }
        let arguments = json!({ "time": self.proposed_time(), "notes": self.conversation.notes() });
        // Without a word, so that the conversation goes on from the calendar's answer.
        self.call("book_slot", arguments, "")
    }

    /// The next thing to do in this node: ask, propose, move on or take leave.
    fn go_on(&self, opening: String, mut calls: Vec<(String, Value)>) -> Reply {
        let saved = |slot: &String| {
            self.conversation.saved(slot) || calls.iter().any(|(_, arguments)| arguments["name"] == **slot)
        };
        let next = self.conversation.slots().into_iter().find(|slot| !saved(slot));
        if let Some(slot) = next.filter(|_| self.offers("save_slot")) {
            return Reply { text: join(&[&opening, &self.language.question(&slot)]), calls };
        }
        if self.offers("book_slot") && !self.conversation.booked() {
            return Reply { text: join(&[&opening, self.language.proposal()]), calls };
        }
        let next = self.conversation.next_node().filter(|_| !self.conversation.booked());
        if let Some(node) = next {
            calls.push(("move_to".into(), json!({ "node": node })));
            return Reply { text: String::new(), calls };
        }
        let mut reply = self.take_leave();
        reply.calls.splice(0..0, calls);
        reply
    }

    fn take_leave(&self) -> Reply {
        if self.conversation.booked() {
            self.end("booked", None, self.language.booked())
        } else {
            self.end("qualified", None, self.language.goodbye())
        }
    }

    /// Tools have answered. What was spoken with the call stands; where the call was all, the
    /// conversation goes on from here.
    fn after_tools(&self) -> Reply {
        let Some((text, calls)) = self.conversation.last_agent() else { return Reply::default() };
        let called = |name: &str| calls.iter().any(|call| call.name == name);
        if ["end_call", "opt_out", "voicemail"].into_iter().any(called) {
            return Reply::default();
        }
        if called("book_slot") {
            return if self.conversation.booked() { self.take_leave() } else { self.offer_call_back() };
        }
        if text.is_empty() || called("move_to") {
            self.go_on(String::new(), Vec::new())
        } else {
            Reply::default()
        }
    }

    fn offer_call_back(&self) -> Reply {
        self.end("qualified", None, self.language.call_back())
    }

    fn ask_again(&self) -> Reply {
        let question = self.pending_question().unwrap_or_default();
        Reply::say(join(&[self.language.pardon(), &question]))
    }

    fn pending_question(&self) -> Option<String> {
        if self.conversation.proposal(self.language) == Proposal::Pending {
            return Some(self.language.proposal().into());
        }
        let slot = self.conversation.slots().into_iter().find(|slot| !self.conversation.saved(slot))?;
        self.offers("save_slot").then(|| self.language.question(&slot))
    }

    /// The slot whose question was the last thing said, even if it was cut off.
    fn asked_slot(&self) -> Option<String> {
        let (text, _) = self.conversation.last_spoken()?;
        let slots = self.conversation.slots();
        let open = slots.into_iter().filter(|slot| !self.conversation.saved(slot));
        open.into_iter().find(|slot| text.contains(&beginning(&self.language.question(slot))))
    }

    /// People often say what they need before they are asked.
    fn volunteered_slot(&self, words: &str) -> Option<String> {
        let long = words.split_whitespace().count() >= 5;
        let need = |slot: &String| slot == "need" && !self.conversation.saved(slot);
        self.conversation.slots().into_iter().find(need).filter(|_| long && self.offers("save_slot"))
    }

    fn opt_out(&self) -> Reply {
        if self.offers("opt_out") {
            return self.call("opt_out", json!({}), self.language.opted_out());
        }
        self.end("not_fit", Some("opted out"), self.language.opted_out())
    }

    fn end(&self, outcome: &str, reason: Option<&str>, text: &str) -> Reply {
        let mut arguments = json!({ "outcome": outcome });
        if let Some(reason) = reason {
            arguments["reason"] = reason.into();
        }
        self.call("end_call", arguments, text)
    }

    /// Speaks and calls the tool, if it is offered.
    fn call(&self, tool: &str, arguments: Value, text: &str) -> Reply {
        let calls = self.offers(tool).then(|| (tool.to_owned(), arguments));
        Reply { text: text.into(), calls: calls.into_iter().collect() }
    }

    fn offers(&self, tool: &str) -> bool {
        self.conversation.tools.contains_key(tool)
    }

    fn proposed_time(&self) -> String {
        let tomorrow = self.now.as_second().div_euclid(86_400) + 1;
        let time = Timestamp::from_second(tomorrow * 86_400 + phrases::PROPOSED_SECOND_OF_DAY);
        time.unwrap_or(self.now).to_string()
    }
}

/// Enough of a question to recognise it when its end was not heard.
fn beginning(question: &str) -> String {
    question.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn join(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}
