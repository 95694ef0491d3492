//! Holds whole conversations in virtual time on one core, and prints how much faster than real
//! time that is: `cargo run -p talkif-call-engine --release --example virtual_time`.
//!
//! The simulated caller, model, voice and line are the tests' own and take most of the time, so
//! the engine alone is faster than what is printed.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;
use support::scenario::{Answer, Scenario};
use support::world::World;

const CALLS: u64 = 500;

fn conversation() -> Scenario {
    Scenario::answered()
        .model(Answer::says("We have three programs. The first one starts in the fall."))
        .model(Answer::says("Goodbye!").and_calls("end_call", r#"{"outcome":"qualified"}"#))
        .when_agent_is_done(300)
        .says("Tell me about the programs.", 1_200)
        .when_agent_is_heard(1_500)
        .says("Have somebody call me.", 1_000)
}

fn main() {
    let started = Instant::now();
    let lengths = (0..CALLS).map(|_| {
        let played = World::new(conversation()).play();
        played.outputs.last().map_or(0, |(at, _)| at.ms())
    });
    let virtual_ms: u64 = lengths.sum();
    let real = started.elapsed();
    let ratio = u128::from(virtual_ms) * 1_000 / real.as_micros().max(1);
    println!(
        "{CALLS} calls, {} s of conversation in {} ms: {ratio}x real time",
        virtual_ms / 1_000,
        real.as_millis()
    );
}
