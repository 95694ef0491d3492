//! What the mind reads from a request.

use super::phrases::Language;
use serde_json::Value;
use std::collections::BTreeMap;

/// A conversation and the tools offered in it.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// All instructions.
    pub instructions: String,
    /// What was said and done, in order, without instructions.
    pub turns: Vec<Turn>,
    /// Names of the offered tools and the JSON Schemas of their arguments.
    pub tools: BTreeMap<String, Value>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// The caller spoke.
    Caller(String),
    /// The agent spoke or acted.
    Agent {
        /// What it said.
        text: String,
        /// What it called.
        calls: Vec<Call>,
    },
    /// A tool answered.
    Tool {
        /// Which call.
        id: String,
        /// With what.
        result: String,
    },
}

/// A tool call in the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments; null if they were not JSON.
    pub arguments: Value,
}

/// Where the proposal of a time stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proposal {
    None,
    Pending,
}

impl Conversation {
    /// What the caller said since the agent spoke last.
    pub(super) fn last_words(&self) -> String {
        let said = self.turns.iter().rev().map_while(|turn| match turn {
            Turn::Caller(text) => Some(text.trim()),
            _ => None,
        });
        let mut said: Vec<&str> = said.collect();
        said.reverse();
        said.join(" ")
    }

    pub(super) fn last_agent(&self) -> Option<(&str, &[Call])> {
        self.turns.iter().rev().find_map(Turn::agent)
    }

    /// The last turn in which the agent said something.
    pub(super) fn last_spoken(&self) -> Option<(&str, &[Call])> {
        self.turns.iter().rev().filter_map(Turn::agent).find(|(text, _)| !text.is_empty())
    }

    fn calls(&self, tool: &str) -> impl Iterator<Item = &Call> {
        let calls = self.turns.iter().filter_map(Turn::agent).flat_map(|(_, calls)| calls);
        calls.filter(move |call| call.name == tool)
    }

    /// What there is to find out: the names that `save_slot` takes, or, where it takes any, the
    /// bullet points of the instructions (`- name: what`).
    pub(super) fn slots(&self) -> Vec<String> {
        let names = self.argument("save_slot", "name");
        if names.is_array() || !self.tools.contains_key("save_slot") {
            return strings(names);
        }
        let bullets = self.instructions.lines().filter_map(|line| line.trim().strip_prefix("- "));
        let names = bullets.filter_map(|bullet| bullet.split([':', ' ']).next());
        names.filter(|name| is_identifier(name)).map(Into::into).collect()
    }

    fn argument(&self, tool: &str, name: &str) -> &Value {
        self.tools.get(tool).map_or(&Value::Null, |schema| &schema["properties"][name]["enum"])
    }

    pub(super) fn saved(&self, slot: &str) -> bool {
        self.calls("save_slot").any(|call| call.arguments["name"] == slot && self.succeeded(call))
    }

    pub(super) fn booked(&self) -> bool {
        self.calls("book_slot").any(|call| self.succeeded(call))
    }

    fn succeeded(&self, call: &Call) -> bool {
        !self.turns.iter().any(|turn| match turn {
            Turn::Tool { id, result } => *id == call.id && result.contains("\"error\""),
            _ => false,
        })
    }

    /// What the caller told, for the calendar's owner.
    pub(super) fn notes(&self) -> String {
        let notes = self.calls("save_slot").filter_map(|call| {
            Some(format!("{}: {}", call.arguments["name"].as_str()?, call.arguments["value"].as_str()?))
        });
        notes.collect::<Vec<_>>().join("; ")
    }

    /// A node that can be entered, has not been, and is not where refusals go.
    pub(super) fn next_node(&self) -> Option<String> {
        let visited = |node: &String| self.calls("move_to").any(|call| call.arguments["node"] == **node);
        let nodes = strings(self.argument("move_to", "node"));
        nodes.into_iter().find(|node| !visited(node) && !self.is_for_refusals(node))
    }

    /// By what the instructions say of the way there (`- node: when`).
    fn is_for_refusals(&self, node: &str) -> bool {
        const REFUSALS: [&str; 6] = ["not interested", "refuse", "decline", "wrong", "not fit", "angry"];
        let way = |line: &str| {
            line.trim().strip_prefix("- ")?.strip_prefix(node)?.strip_prefix(':').map(str::to_lowercase)
        };
        self.instructions.lines().filter_map(way).any(|when| REFUSALS.iter().any(|word| when.contains(word)))
    }

    pub(super) fn proposal(&self, language: Language) -> Proposal {
        let proposed = |text: &str| text.contains(&super::beginning(language.proposal()));
        match self.last_spoken() {
            Some((text, _)) if proposed(text) && !self.booked() => Proposal::Pending,
            _ => Proposal::None,
        }
    }

    /// Who the agent is, by "You are …" in its instructions.
    pub(super) fn role(&self) -> String {
        let after = self.instructions.split_once("You are ").map_or("", |(_, role)| role);
        let role = after.split(['.', ',', '\n', ';']).next().unwrap_or_default().trim();
        if role.is_empty() || role.len() > 60 { "the assistant".into() } else { role.into() }
    }
}

impl Turn {
    fn agent(&self) -> Option<(&str, &[Call])> {
        match self {
            Self::Agent { text, calls } => Some((text, calls)),
            Self::Caller(_) | Self::Tool { .. } => None,
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(Into::into)).collect()
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
