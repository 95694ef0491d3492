//! Flows as code: from YAML or JSON to the graph that everything runs.
//!
//! [`compile`] reads the whole source and reports every mistake at once, each with line, column,
//! path and a stable code, so that an author fixes them in one round. What comes out is complete:
//! a source as short as the product's own example gets sensible prompts, providers and limits.
//!
//! The steps: [`tree`] parses with positions, [`field`] reads values out of it and collects
//! mistakes, [`settings`], [`nodes`] and [`follow_ups`] know one part of the format each.
//!
//! Whether a calendar, a voice or a vendor's model exists is not known here.
//!
//! To add a key, name it in the list of its section and read it there; to add an action of `on:`,
//! extend [`follow_ups`].

mod actions;
mod defaults;
mod duration;
mod field;
mod follow_ups;
mod json;
mod nodes;
mod settings;
mod suggest;
mod transfers;
mod tree;
mod vocabulary;

use field::{Field, Report};
use serde::{Deserialize, Serialize};
use std::fmt;
use talkif_model::flow::FlowGraph;
use talkif_model::{FlowId, string_enum};

string_enum! {
    /// How a source is written.
    pub enum Format as "flow format" {
        /// YAML 1.2.
        Yaml = "yaml",
        /// JSON.
        Json = "json",
    }
}

/// A mistake in a flow's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowError {
    /// Counts from 1.
    pub line: u32,
    /// In characters, counts from 1.
    pub column: u32,
    /// Where in the document: `agents.qualify.transitions[0].to`. Empty for the whole.
    pub path: String,
    /// For programs: `required`, `unknown_key`, `out_of_range` …
    pub code: String,
    /// For people.
    pub message: String,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for FlowError {}

const KEYS: &[&str] =
    &["id", "name", "match", "call", "agent", "qualify", "entry", "agents", "transfer", "on"];

/// Compiles a flow.
///
/// # Errors
/// All mistakes of the source, in its order. After a syntax error nothing else is checked.
pub fn compile(source: &str, format: Format) -> Result<FlowGraph, Vec<FlowError>> {
    let root = tree::parse(source, format).map_err(|error| vec![error])?;
    let report = Report::default();
    let graph = read(&Field::root(&root, &report));
    let errors = report.into_errors();
    match graph {
        Some(graph) if errors.is_empty() => Ok(graph),
        _ => Err(errors),
    }
}

/// Reads all sections, whatever goes wrong in one of them; `None` only without an id.
fn read(root: &Field<'_>) -> Option<FlowGraph> {
    let section = root.section(KEYS);
    let id = section.required("id").and_then(|field| field.parsed::<FlowId>("invalid_id_format"));
    let matches = settings::matches(section.get("match").as_ref());
    let speech = settings::speech(section.get("agent").as_ref(), section.get("call").as_ref(), &matches);
    let on = follow_ups::read(section.get("on").as_ref());
    let call = settings::call(section.get("call").as_ref(), on.retry.as_ref());
    let transfer = transfers::read(section.get("transfer").as_ref());
    let outline = nodes::read(&section, on.calendar.as_deref());
    let id = id?;
    let name = section.get("name").and_then(|field| field.text()).unwrap_or_else(|| id.as_str().to_owned());
    Some(FlowGraph {
        name,
        id,
        matches,
        call,
        voice: speech.voice,
        system_prompt: speech.system_prompt,
        greeting: speech.greeting,
        entry: outline.entry,
        nodes: outline.nodes,
        on: on.follow_ups,
        transfer,
    })
}

#[cfg(test)]
mod tests;
