//! Holds the random calls of the seeds from 0 on, and prints those that bring out a reaction of the
//! engine which no earlier one did: `cargo run -p talkif-call-engine --release --example seek_seeds
//! -- 1000000`. A seed that breaks a rule is named on the error stream, and the exit status is 1.

#![allow(clippy::unwrap_used, reason = "the modules of the tests")]

#[path = "../tests/properties/acts.rs"]
mod acts;
#[path = "../tests/properties/call.rs"]
#[allow(dead_code, reason = "each binary uses its part")]
mod call;
#[path = "../tests/support/flow.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "each binary uses its part")]
mod flow;
#[path = "../tests/properties/seeds.rs"]
#[allow(dead_code, reason = "each binary uses its part")]
mod seeds;

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::process::ExitCode;

type Reactions = BTreeSet<String>;

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let (mut found, mut reached, mut broken) = (Vec::new(), Reactions::new(), 0);
    for seed in 0..count {
        let Ok(reactions) = catch_unwind(|| seeds::reactions(&seeds::hold(seed))) else {
            eprintln!("seed {seed} breaks a rule");
            broken += 1;
            continue;
        };
        if !reactions.is_subset(&reached) {
            reached.extend(reactions.iter().cloned());
            found.push((seed, reactions));
        }
    }
    for seed in needed(found) {
        println!("{seed}");
    }
    eprintln!("{count} calls, {} reactions, {broken} broke a rule", reached.len());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The seeds without those that the later, richer ones make superfluous.
fn needed(found: Vec<(u64, Reactions)>) -> Vec<u64> {
    let mut reached = Reactions::new();
    let mut seeds = Vec::new();
    for (seed, reactions) in found.into_iter().rev() {
        if !reactions.is_subset(&reached) {
            reached.extend(reactions);
            seeds.push(seed);
        }
    }
    seeds.reverse();
    seeds
}
