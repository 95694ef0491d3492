//! The same call twice: the same samples on the wire and the same reports, to the byte.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::vendors::{Vendors, text};
use support::{Setup, hold};

/// What the phone heard, and all reports as they are printed.
async fn run() -> (Vec<i16>, String) {
    let vendors = Vendors::new(|script| {
        script.lines = ["Hello?", "Tell me everything.", "Wait, stop there please."].into();
        script.answers = [text("One two three four five six seven eight nine ten eleven twelve.")].into();
        // What goes wrong is part of the run.
        script.failing_utterances = 1;
        script.lose_ears_after = [40].into();
    });
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    call.wait(1_500).await;
    call.speak(1_000).await;
    call.wait(2_000).await;
    call.phone.hang_up();
    let heard = call.heard.clone();
    let (ending, reports) = call.ending().await;
    (heard, format!("{ending:?}\n{reports:#?}"))
}

/// Each run has a paused clock of its own.
fn in_virtual_time() -> (Vec<i16>, String) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(run())
}

#[test]
fn the_same_call_twice_is_the_same_to_the_byte() {
    let (first, second) = (in_virtual_time(), in_virtual_time());
    assert_eq!(first.1, second.1);
    assert_eq!(first.0, second.0);
    assert!(first.0.iter().any(|sample| *sample != 0), "the call was silent");
}
