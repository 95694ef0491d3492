//! The conversation as it was really heard, in the shape the model reads it.
//!
//! An utterance that is still being said stands with the text that was handed to the voice:
//! the model must know what it is saying. Once it is over, only what was played stays.

use crate::io::{Generation, Message, ToolCall};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    User(String),
    Agent { generation: Generation, text: String, tool_calls: Vec<ToolCall> },
    Tool { id: String, result: Option<String> },
}

/// The conversation.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    entries: Vec<Entry>,
}

impl History {
    /// The caller said something.
    pub(crate) fn user(&mut self, text: String) {
        self.entries.push(Entry::User(text));
    }

    /// The agent is about to say something: its place in the conversation is here.
    pub(crate) fn open(&mut self, generation: Generation) {
        if self.agent_mut(generation).is_none() {
            let entry = Entry::Agent { generation, text: String::new(), tool_calls: Vec::new() };
            self.entries.push(entry);
        }
    }

    /// The text of an utterance as it now stands: planned while it is being said, then heard.
    pub(crate) fn set_text(&mut self, generation: Generation, text: &str) {
        if let Some((own, _)) = self.agent_mut(generation) {
            text.clone_into(own);
        }
        self.entries.retain(|entry| !entry.is_over_without_trace(generation));
    }

    /// The model called tools in the answer of this generation. Their results follow.
    pub(crate) fn called(&mut self, generation: Generation, calls: &[ToolCall]) {
        self.open(generation);
        if let Some((_, own)) = self.agent_mut(generation) {
            own.extend_from_slice(calls);
        }
        self.entries.extend(calls.iter().map(|call| Entry::Tool { id: call.id.clone(), result: None }));
    }

    /// A tool answered. Returns whether it was still awaited.
    pub(crate) fn tool_result(&mut self, tool: &str, answer: &str) -> bool {
        let awaited = self.entries.iter_mut().find_map(|entry| match entry {
            Entry::Tool { id, result: result @ None } if id == tool => Some(result),
            Entry::Tool { .. } | Entry::User(_) | Entry::Agent { .. } => None,
        });
        awaited.map(|result| *result = Some(answer.to_owned())).is_some()
    }

    /// No tool will answer any more.
    pub(crate) fn give_up_tools(&mut self, answer: &str) {
        for entry in &mut self.entries {
            if let Entry::Tool { result: result @ None, .. } = entry {
                *result = Some(answer.to_owned());
            }
        }
    }

    /// All of it, after the instructions.
    pub(crate) fn messages(&self, system: String) -> Vec<Message> {
        let said = self.entries.iter().map(Entry::message);
        std::iter::once(Message::System { text: system }).chain(said).collect()
    }

    fn agent_mut(&mut self, wanted: Generation) -> Option<(&mut String, &mut Vec<ToolCall>)> {
        self.entries.iter_mut().rev().find_map(|entry| match entry {
            Entry::Agent { generation, text, tool_calls } if *generation == wanted => {
                Some((text, tool_calls))
            }
            Entry::Agent { .. } | Entry::User(_) | Entry::Tool { .. } => None,
        })
    }
}

impl Entry {
    fn is_over_without_trace(&self, wanted: Generation) -> bool {
        matches!(self, Self::Agent { generation, text, tool_calls }
            if *generation == wanted && text.is_empty() && tool_calls.is_empty())
    }

    fn message(&self) -> Message {
        match self {
            Self::User(text) => Message::User { text: text.clone() },
            Self::Agent { text, tool_calls, .. } => {
                Message::Assistant { text: text.clone(), tool_calls: tool_calls.clone() }
            }
            Self::Tool { id, result } => Message::Tool {
                id: id.clone(),
                // Said of a tool that still runs, so that the model does not call it again.
                result: result.clone().unwrap_or_else(|| r#"{"status":"in progress"}"#.to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "save_slot".to_owned(), arguments: "{}".to_owned() }
    }

    #[test]
    fn an_answer_that_nobody_heard_leaves_no_trace_unless_it_called_tools() {
        let mut history = History::default();
        history.open(Generation(1));
        history.set_text(Generation(1), "");
        assert_eq!(history.messages(String::new()).len(), 1);

        history.called(Generation(2), &[call("a")]);
        history.set_text(Generation(2), "");
        assert_eq!(history.messages(String::new()).len(), 3);
    }

    #[test]
    fn results_pair_with_their_calls_even_when_ids_repeat() {
        let mut history = History::default();
        history.called(Generation(1), &[call("a"), call("a")]);
        assert!(history.tool_result("a", "1") && history.tool_result("a", "2"));
        assert!(!history.tool_result("a", "3"));
        let results: Vec<_> = history.messages(String::new()).split_off(2);
        let expected = ["1", "2"].map(|r| Message::Tool { id: "a".to_owned(), result: r.to_owned() });
        assert_eq!(results, expected);
    }
}
