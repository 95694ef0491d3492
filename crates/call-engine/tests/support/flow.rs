//! A flow with two nodes: one finds out need and budget, one books.

use std::sync::Arc;
use talkif_call_engine::EngineConfig;
use talkif_model::Direction;
use talkif_model::flow::FlowGraph;

pub const GREETING: &str = "Hi, this is Talkif for Helena Education. Got a moment?";

pub fn graph() -> FlowGraph {
    serde_json::from_value(serde_json::json!({
        "id": "flow_pricing_v3",
        "name": "Pricing",
        "call": {
            "within_s": 60, "max_ring_s": 30, "max_duration_s": 120, "silence_prompt_ms": 6000,
            "max_silence_prompts": 2, "recording_ttl_days": 30, "retry": { "kind": "never" }
        },
        "voice": {
            "language": "en", "voice": "v", "stt_provider": "deepgram", "stt_model": "m",
            "llm_provider": "openai", "llm_model": "m", "temperature": 0.2,
            "tts_provider": "cartesia", "tts_model": "m"
        },
        "system_prompt": "You are kind.",
        "greeting": GREETING,
        "entry": "qualify",
        "nodes": {
            "qualify": {
                "prompt": "Find out what they need.",
                "slots": [
                    { "name": "need", "description": "what they want", "required": true },
                    { "name": "budget", "description": "how much", "required": false }
                ],
                "transitions": [{ "to": "booking", "when": "they want a demo" }]
            },
            "booking": { "prompt": "Agree on a time.", "book": "calendar.mehmet" }
        }
    }))
    .unwrap()
}

/// Whether the text says, in the tests' small language, that no call is wanted any more.
pub fn is_opt_out(text: &str) -> bool {
    text.to_lowercase().contains("stop calling")
}

pub fn config(direction: Direction) -> EngineConfig {
    let graph = Arc::new(graph());
    let (system, greeting) = (graph.system_prompt.clone(), graph.greeting.clone());
    EngineConfig::new(graph, direction, system, greeting, is_opt_out)
}
