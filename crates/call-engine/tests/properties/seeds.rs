//! Seeds of random calls, kept because each of them brought out a reaction of the engine that no
//! earlier one had. A seed that broke a rule is added to `seeds.txt` by hand and stays.
//!
//! `cargo run -p talkif-call-engine --release --example seek_seeds -- 1000000 > kept` seeks anew.

use super::acts::{Act, act};
use super::call::{Call, play};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;
use talkif_call_engine::io::{Input, Output, Time};
use talkif_model::Direction;

/// The call of a seed, held to its end: even seeds dial, odd ones are called.
pub(crate) fn hold(seed: u64) -> Call {
    let direction = if seed.is_multiple_of(2) { Direction::Outbound } else { Direction::Inbound };
    let mut call = play(direction, !seed.is_multiple_of(16), &acts(seed));
    call.follow_to_the_end();
    call
}

fn acts(seed: u64) -> Vec<Act> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    prop::collection::vec(act(), 40..160).new_tree(&mut runner).unwrap().current()
}

/// The kept seeds, in the order in which they were found.
pub(crate) fn kept() -> Vec<u64> {
    let lines = include_str!("seeds.txt").lines().map(|line| line.split('#').next().unwrap().trim());
    lines.filter(|line| !line.is_empty()).map(|line| line.parse().unwrap()).collect()
}

/// What the engine did about what: the kind of each input with each kind of output that came of
/// it, and which followed which.
pub(crate) fn reactions(call: &Call) -> BTreeSet<String> {
    call.steps().flat_map(|(input, outputs)| reaction(input, outputs)).collect()
}

fn reaction(input: &Input, outputs: &[(Time, Output)]) -> Vec<String> {
    let input = kind(input);
    let outputs: Vec<String> = outputs.iter().map(|(_, output)| output_kind(output)).collect();
    let firsts = [String::new()];
    let pairs = firsts.iter().chain(&outputs).zip(&outputs);
    pairs.map(|(before, output)| format!("{input}: {before} {output}")).collect()
}

fn output_kind(output: &Output) -> String {
    match output {
        Output::Emit(event) => kind(event),
        other => kind(other),
    }
}

/// The name of an enum's variant.
fn kind(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|letter| letter.is_alphanumeric()).collect()
}
