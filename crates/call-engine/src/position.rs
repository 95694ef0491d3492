//! Where the call is in its flow: the node, the slots filled, and what the model is told and
//! offered there.

use crate::config::EngineConfig;
use crate::io::ToolSpec;
use crate::tools::{self, Offer};
use std::collections::BTreeMap;
use std::fmt::Write;
use talkif_model::flow::{AgentNode, FlowGraph, NodeId};

/// The call's place in its flow.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) node: NodeId,
    pub(crate) slots: BTreeMap<String, String>,
}

impl Position {
    /// At the flow's entry.
    pub(crate) fn new(flow: &FlowGraph) -> Self {
        Self { node: flow.entry.clone(), slots: BTreeMap::new() }
    }

    /// The node. `None` only for a flow that was never validated; the system prompt still holds.
    pub(crate) fn agent<'f>(&self, flow: &'f FlowGraph) -> Option<&'f AgentNode> {
        flow.nodes.get(&self.node)
    }

    /// Moves along a transition of this node. `Err` tells the model where it may go.
    pub(crate) fn move_to(&mut self, node: &str, flow: &FlowGraph) -> Result<(), String> {
        let allowed: Vec<&str> = self.targets(flow).collect();
        if allowed.contains(&node) && flow.nodes.contains_key(node) {
            node.clone_into(&mut self.node);
            return Ok(());
        }
        Err(format!("no way to `{node}`; possible: {}", allowed.join(", ")))
    }

    fn targets<'f>(&self, flow: &'f FlowGraph) -> impl Iterator<Item = &'f str> {
        self.agent(flow).into_iter().flat_map(|agent| agent.transitions.iter().map(|t| t.to.as_str()))
    }

    /// The names of what this node finds out.
    pub(crate) fn slot_names<'f>(&self, flow: &'f FlowGraph) -> Vec<&'f str> {
        self.agent(flow)
            .map(|agent| agent.slots.iter().map(|s| s.name.as_str()).collect())
            .unwrap_or_default()
    }

    /// The instructions that hold here.
    pub(crate) fn instructions(&self, config: &EngineConfig) -> String {
        let mut text = config.system_prompt.trim().to_owned();
        if let Some(agent) = self.agent(&config.flow) {
            section(&mut text, agent.prompt.trim());
            section(&mut text, &wanted(agent, &self.slots));
            section(&mut text, &ways(agent));
        }
        section(&mut text, &known(&self.slots));
        text
    }

    /// What the model may call here.
    pub(crate) fn tools(&self, config: &EngineConfig) -> Vec<ToolSpec> {
        let offer = Offer {
            slots: self.slot_names(&config.flow),
            nodes: self.targets(&config.flow).collect(),
            books: self.agent(&config.flow).is_some_and(|agent| agent.book.is_some()),
            transfers: config
                .flow
                .transfer
                .iter()
                .map(|(name, to)| (name.as_str(), to.when.as_str()))
                .collect(),
        };
        let mut all = tools::specs(&offer);
        all.extend(config.tools.iter().filter(|tool| !tools::is_own(&tool.name)).cloned());
        all
    }
}

fn section(text: &mut String, more: &str) {
    if !more.is_empty() {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(more);
    }
}

fn wanted(agent: &AgentNode, known: &BTreeMap<String, String>) -> String {
    list(
        "Find out, one at a time, and save each with save_slot:",
        agent.slots.iter().filter_map(|slot| {
            let need = if slot.required { "required" } else { "optional" };
            (!known.contains_key(&slot.name)).then(|| format!("{} ({need}): {}", slot.name, slot.description))
        }),
    )
}

fn ways(agent: &AgentNode) -> String {
    let ways = agent.transitions.iter().map(|way| format!("{}: {}", way.to, way.when));
    list("Call move_to as soon as one of these holds:", ways)
}

fn known(slots: &BTreeMap<String, String>) -> String {
    list("Known so far:", slots.iter().map(|(name, value)| format!("{name}: {value}")))
}

/// A headed list; nothing if it is empty.
fn list(head: &str, items: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for item in items {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n- {item}");
    }
    if text.is_empty() { text } else { format!("{head}{text}") }
}
