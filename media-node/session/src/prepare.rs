//! What a call is told before it starts: the flow with this lead's values in it, and how to hear
//! and to speak.

use crate::job::CallJob;
use std::collections::BTreeMap;
use std::sync::Arc;
use talkif_call_engine::EngineConfig;
use talkif_call_engine::Tuning;
use talkif_model::flow::FlowGraph;
use talkif_providers::{SttSettings, TtsSettings};
use talkif_rules::optout::is_opt_out;
use talkif_rules::template::{TemplateError, render};

/// The engine's configuration: prompts and greeting rendered.
pub(crate) fn engine_config(job: &CallJob, tuning: &Tuning) -> Result<EngineConfig, TemplateError> {
    let variables = &job.variables;
    let flow = render_nodes(&job.flow, variables)?;
    let system_prompt = render(&flow.system_prompt, variables)?;
    let greeting = render(&flow.greeting, variables)?.trim().to_owned();
    let rule = opt_out_rule(&flow.voice.language);
    let config = EngineConfig::new(Arc::new(flow), job.direction, system_prompt, greeting, rule);
    Ok(EngineConfig { tuning: tuning.clone(), ..config })
}

fn render_nodes(flow: &FlowGraph, variables: &BTreeMap<String, String>) -> Result<FlowGraph, TemplateError> {
    let mut flow = flow.clone();
    for node in flow.nodes.values_mut() {
        node.prompt = render(&node.prompt, variables)?;
    }
    for target in flow.transfer.values_mut() {
        target.introduction = render(&target.introduction, variables)?;
    }
    Ok(flow)
}

/// The engine takes a plain function, so that its configuration stays data; hence one for each
/// language that has words of its own. People everywhere also say it in English.
fn opt_out_rule(language: &str) -> fn(&str) -> bool {
    match language {
        "tr" => |text| is_opt_out(text, "tr"),
        "de" => |text| is_opt_out(text, "de"),
        "fr" => |text| is_opt_out(text, "fr"),
        "es" => |text| is_opt_out(text, "es"),
        _ => |text| is_opt_out(text, "en"),
    }
}

/// How this call is heard.
pub(crate) fn stt_settings(flow: &FlowGraph, sample_rate: u32) -> SttSettings {
    SttSettings {
        sample_rate,
        language: flow.voice.language.clone(),
        model: named(&flow.voice.stt_model),
        keywords: Vec::new(),
    }
}

/// How this call speaks.
pub(crate) fn tts_settings(flow: &FlowGraph, sample_rate: u32) -> TtsSettings {
    TtsSettings {
        voice: named(&flow.voice.voice),
        model: named(&flow.voice.tts_model),
        language: flow.voice.language.clone(),
        sample_rate,
    }
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
