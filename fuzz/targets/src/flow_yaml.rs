//! Flows, as customers write them.

use std::collections::BTreeMap;
use talkif_model::flow::FlowGraph;
use talkif_rules::flow::{FlowError, Format, compile};
use talkif_rules::template;

/// Compiles the source as YAML and as JSON.
///
/// # Panics
/// If a graph comes out that cannot run or cannot be stored, or an error that points nowhere.
pub fn run(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    for format in [Format::Yaml, Format::Json] {
        let compiled = compile(source, format);
        match &compiled {
            Ok(graph) => runs(graph),
            Err(errors) => points_somewhere(source, errors),
        }
        assert_eq!(compile(source, format), compiled, "the same source compiles to the same");
    }
}

fn runs(graph: &FlowGraph) {
    assert!(graph.nodes.contains_key(&graph.entry), "{}", graph.entry);
    for node in graph.nodes.values() {
        assert!(node.transitions.iter().all(|to| graph.nodes.contains_key(&to.to)), "{node:?}");
        assert!(template::render(&node.prompt, &BTreeMap::new()).is_ok());
    }
    assert!(template::render(&graph.greeting, &BTreeMap::new()).is_ok());
    assert!(template::render(&graph.system_prompt, &BTreeMap::new()).is_ok());
    let call = &graph.call;
    assert!(call.max_ring_s > 0 && call.max_duration_s > 0 && call.within_s > 0, "{call:?}");
    assert!(call.quiet_hours.iter().all(|quiet| quiet.from_minute < 1_440 && quiet.until_minute <= 1_440));
    let stored = serde_json::to_string(graph).unwrap_or_else(|error| panic!("{error}"));
    let read: FlowGraph = serde_json::from_str(&stored).unwrap_or_else(|error| panic!("{error}: {stored}"));
    assert_eq!(read, *graph, "a graph is stored as JSON");
}

fn points_somewhere(source: &str, errors: &[FlowError]) {
    assert!(!errors.is_empty());
    let lines = source.split(['\n', '\r']).count();
    for error in errors {
        assert!(error.line >= 1 && error.column >= 1, "{error}");
        assert!(usize::try_from(error.line).is_ok_and(|line| line <= lines + 1), "{error} of {lines} lines");
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(!error.code.is_empty() && error.code.chars().all(plain), "{error}");
        assert!(!error.message.is_empty());
    }
}
