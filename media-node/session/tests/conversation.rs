//! Whole calls in virtual time.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::vendors::{Vendors, WORD_MS, text, text_and_tool};
use support::{SAMPLES_PER_MS, Setup, hold, is_silent, said, spans, troubles, turns};
use talkif_call_engine::io::{Command, Message};
use talkif_model::{CallStatus, EndReason, Outcome, Speaker};
use talkif_session::job::Entry;

#[tokio::test(start_paused = true)]
async fn a_call_is_held_from_the_first_ring_to_the_goodbye() {
    let vendors = Vendors::new(|script| {
        script.lines = ["Hello?", "I want a demo."].into();
        let goodbye = r#"{"outcome":"qualified"}"#;
        script.answers =
            [text_and_tool("Great, somebody will call you. Goodbye.", "end_call", goodbye)].into();
    });
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    let (ending, reports) = call.ending().await;

    assert_eq!((ending.status, ending.end_reason), (CallStatus::Completed, EndReason::AgentCompleted));
    assert_eq!(ending.outcome, Some(Outcome::Qualified));
    assert_eq!(said(&reports, Speaker::Caller).last().unwrap(), "I want a demo.");
    let agent = said(&reports, Speaker::Agent);
    assert_eq!(agent, ["Hello Ece, do you have a minute?", "Great, somebody will call you. Goodbye."]);
    assert!(matches!(reports.last().unwrap().entry, Entry::Finished { .. }));
    for name in ["dial.start", "call.answered", "turn", "qualify.done", "providers.usage"] {
        assert!(spans(&reports).contains(&name), "{name} is not in {:?}", spans(&reports));
    }
    let requests = &vendors.0.lock().unwrap().requests;
    let prompt =
        matches!(&requests[0].messages[0], Message::System { text } if text.contains("what Ece needs"));
    assert!(prompt, "the node's prompt was not rendered");
}

#[tokio::test(start_paused = true)]
async fn a_turn_knows_how_long_the_caller_waited() {
    let vendors = Vendors::new(|script| script.lines = ["Hello?", "I want a demo."].into());
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    let latency = turns(&reports).iter().find_map(|turn| turn.latency).unwrap();
    // 300 ms of endpointing, 200 ms to the first token, 60 ms to the first audio; the model was
    // asked early, so some of it overlaps.
    assert!((300.0..700.0).contains(&latency.heard_ms), "{latency:?}");
    assert!(latency.stt_final_ms > 0.0 && latency.tts_first_byte_ms >= 60.0, "{latency:?}");
}

#[tokio::test(start_paused = true)]
async fn a_barge_in_silences_the_agent_at_the_next_frame() {
    let vendors = Vendors::new(|script| {
        script.lines = ["Hello?", "Tell me everything.", "Wait, stop there please."].into();
        script.answers = [text("One two three four five six seven eight nine ten eleven twelve.")].into();
    });
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    call.wait(1_500).await;

    let before = call.heard.len();
    call.phone.speak(&support::voice(1_000));
    let during = call.wait(1_000).await;
    let last = during.iter().rposition(|sample| *sample != 0).map_or(0, |at| at + 1);
    // 60 ms are what the detector needs, one frame is in flight, one is the test's own step.
    assert!(last <= 100 * SAMPLES_PER_MS, "audible for {} ms", last / SAMPLES_PER_MS);
    let answer = text("unused");
    vendors.0.lock().unwrap().answers.push_front(answer);
    call.wait(400).await;
    call.phone.hang_up();
    let heard = call.heard.clone();
    let (_, reports) = call.ending().await;

    let interrupted = turns(&reports).into_iter().find(|turn| turn.interrupted).unwrap();
    let start = heard[..before].iter().rposition(|sample| *sample == 0).unwrap() + 1;
    let audible = heard[start..].iter().take_while(|sample| **sample != 0).count() / SAMPLES_PER_MS;
    let words = interrupted.text.0.split_whitespace().count();
    assert_eq!(
        words,
        audible / usize::try_from(WORD_MS).unwrap(),
        "{audible} ms of `{}`",
        interrupted.text.0
    );
}

#[tokio::test(start_paused = true)]
async fn a_cough_holds_the_agent_and_loses_no_word() {
    let vendors = Vendors::new(|script| {
        script.lines = ["Hello?", "Tell me everything."].into();
        script.answers = [text("One two three four five six seven eight nine ten eleven twelve.")].into();
    });
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    let from = call.heard.len() - 160;
    call.wait(1_500).await;
    call.speak(200).await;
    assert!(is_silent(&call.wait(200).await), "held");
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    let audible = call.heard[from..].iter().filter(|sample| **sample != 0).count();
    assert_eq!(audible, 12 * 300 * SAMPLES_PER_MS, "every sample was played once");
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    assert!(said(&reports, Speaker::Agent).last().unwrap().ends_with("twelve."));
}

#[tokio::test(start_paused = true)]
async fn a_command_hangs_up() {
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.until_agent_speaks().await;
    call.commands.send(Command::HangUp { reason: EndReason::BalanceDepleted }).await.unwrap();
    let (ending, _) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::BalanceDepleted);
}

#[tokio::test(start_paused = true)]
async fn an_inbound_call_is_answered_and_greeted() {
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &Setup { inbound: true, ..Setup::default() });
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert_eq!(said(&reports, Speaker::Agent), ["Hello Ece, do you have a minute?"]);
    assert!(troubles(&reports).is_empty());
}
