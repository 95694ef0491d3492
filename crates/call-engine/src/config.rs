//! What an engine is made from.

use crate::io::ToolSpec;
use crate::tuning::Tuning;
use std::sync::Arc;
use talkif_model::Direction;
use talkif_model::flow::FlowGraph;

/// What an engine is made from.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The flow; its nodes' prompts already rendered for this lead.
    pub flow: Arc<FlowGraph>,
    /// Who dials.
    pub direction: Direction,
    /// The flow's system prompt, rendered.
    pub system_prompt: String,
    /// The first words, rendered and spoken verbatim. Empty: the model opens.
    pub greeting: String,
    /// The customer's own tools: called through [`Output::CallTool`](crate::io::Output::CallTool),
    /// offered beside the engine's in every node.
    pub tools: Vec<ToolSpec>,
    /// The numbers to decide by.
    pub tuning: Tuning,
    /// Whether these words of the caller forbid further calls: caught without the model.
    pub is_opt_out: fn(&str) -> bool,
}

impl EngineConfig {
    /// A configuration with the default tuning and no tools of the customer's.
    #[must_use]
    pub fn new(
        flow: Arc<FlowGraph>,
        direction: Direction,
        system_prompt: String,
        greeting: String,
        is_opt_out: fn(&str) -> bool,
    ) -> Self {
        Self {
            flow,
            direction,
            system_prompt,
            greeting,
            tools: Vec::new(),
            tuning: Tuning::default(),
            is_opt_out,
        }
    }
}
