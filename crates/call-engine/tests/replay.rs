//! A recorded call plays back bit for bit, also after a trip through JSON.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::scenario::{Answer, Scenario};
use support::world::World;
use talkif_call_engine::io::{Input, Time};
use talkif_call_engine::replay;

#[test]
fn recorded_inputs_give_the_same_outputs_byte_for_byte() {
    let script = Scenario::answered()
        .model(Answer::says("We have three programs. The first one starts in the fall."))
        .model(Answer::says("Goodbye!").and_calls("end_call", r#"{"outcome":"qualified"}"#))
        .when_agent_is_done(300)
        .says("Tell me about the programs.", 1_200)
        .when_agent_is_heard(1_500)
        .says("Have somebody call me.", 1_000);
    let world = World::new(script);
    let config = world.config();
    let world = world.play();
    let recorded = serde_json::to_string(&world.inputs).unwrap();
    let inputs: Vec<(Time, Input)> = serde_json::from_str(&recorded).unwrap();
    let again = replay(config, &inputs);
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&world.outputs).unwrap());
}
