//! What holds for every call, whatever phone, recogniser, model and voice do, in any order.
//!
//! [`call`] checks at every step; here random calls are drawn for it. `seeds` holds the calls that
//! are worth holding again.

#![allow(clippy::unwrap_used, reason = "tests")]

mod acts;
mod call;
#[path = "../support/flow.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]
mod flow;
mod seeds;

use acts::act;
use call::play;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use talkif_call_engine::io::{Event, Output};
use talkif_call_engine::replay;
use talkif_model::{Direction, Speaker};

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Outbound), Just(Direction::Inbound)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also: never an output after the end, always a deadline or the end, history is what was
    /// heard, no agent stays muted, no deadline is kept without progress.
    #[test]
    fn every_call_ends_exactly_once(
        direction in directions(),
        answered in prop::bool::weighted(0.9),
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut call = play(direction, answered, &acts);
        call.follow_to_the_end();
        let ends = call.outputs.iter().filter(|(_, output)| matches!(output, Output::Ended(_))).count();
        prop_assert_eq!(ends, 1);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(
        direction in directions(),
        acts in prop::collection::vec(act(), 0..80),
    ) {
        let mut call = play(direction, true, &acts);
        call.follow_to_the_end();
        let again = replay(flow::config(call.direction), &call.inputs);
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&call.outputs).unwrap());
    }
}

#[test]
fn the_kept_seeds_break_no_rule_and_bring_out_what_they_were_kept_for() {
    let mut reached = BTreeSet::new();
    for seed in seeds::kept() {
        let call = seeds::hold(seed);
        assert!(replay(flow::config(call.direction), &call.inputs) == call.outputs, "seed {seed}");
        reached.extend(seeds::reactions(&call));
    }
    assert!(reached.len() >= KEPT_REACTIONS, "{} reactions: seek seeds anew, see seeds.rs", reached.len());
}

/// Nine tenths of what the seeds brought out when they were chosen.
const KEPT_REACTIONS: usize = 716;

/// Connect, two statuses and the entry's node: every call has them.
const BEGIN_OF_A_CALL: usize = 4;

/// The properties above are worth as much as the states that random calls reach.
#[test]
fn random_calls_reach_what_the_properties_are_about() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let acts = prop::collection::vec(act(), 80..120);
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..200 {
        let acts = acts.new_tree(&mut runner).unwrap().current();
        let outputs = play(Direction::Outbound, true, &acts).outputs;
        for (_, output) in outputs.iter().skip(BEGIN_OF_A_CALL) {
            *reached.entry(kind(output)).or_default() += 1;
        }
    }
    let wanted = [
        "ask",
        "cancel",
        "resume",
        "stop",
        "slot",
        "node",
        "verdict",
        "turn of the agent",
        "false alarm",
        "interrupted",
    ];
    for wanted in wanted {
        assert!(reached.get(wanted).is_some_and(|count| *count >= 10), "{wanted}: {reached:?}");
    }
}

fn kind(output: &Output) -> &'static str {
    match output {
        Output::StartLlm { .. } => "ask",
        Output::CancelLlm { .. } => "cancel",
        Output::Resume { .. } => "resume",
        Output::Stop { .. } => "stop",
        Output::Emit(Event::Slot { .. }) => "slot",
        Output::Emit(Event::Node { .. }) => "node",
        Output::Emit(Event::Qualified { .. }) => "verdict",
        Output::Emit(Event::Interruption { false_alarm: true }) => "false alarm",
        Output::Emit(Event::Interruption { false_alarm: false }) => "interrupted",
        Output::Emit(Event::Turn(turn)) if turn.speaker == Speaker::Agent => "turn of the agent",
        _ => "else",
    }
}
