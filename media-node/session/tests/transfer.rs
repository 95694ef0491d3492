//! Putting a caller through, in virtual time: music while it rings, and what comes of it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::vendors::{Vendors, text, text_and_tool};
use support::{Held, Setup, flow, hold_job, is_silent, job, said};
use talkif_call_engine::io::{Event, TransferState};
use talkif_model::flow::{TransferMode, TransferTarget};
use talkif_model::{CallStatus, EndReason, Outcome, Speaker};
use talkif_session::job::{Entry, Report};
use talkif_telephony::{PhoneEvent, Transfer, TransferError, Transferred};

/// A call whose agent has just asked for somebody to be called in.
async fn ringing() -> Held {
    let vendors = Vendors::new(|script| {
        script.lines = ["Hello?", "Can I talk to a person?", "All right."].into();
        script.answers = [
            text_and_tool("I will put you through.", "transfer_call", r#"{"to":"desk"}"#),
            text("Nobody is there."),
        ]
        .into();
    });
    let mut flow = flow(false);
    let target = TransferTarget {
        to: "+442079460999".to_owned(),
        mode: TransferMode::Attended,
        when: "on request".to_owned(),
        introduction: "This is {{contact.name}}.".to_owned(),
        max_ring_s: 20,
    };
    flow.transfer.insert("desk".to_owned(), target);
    let setup = Setup::default();
    let job = talkif_session::job::CallJob { flow: Arc::new(flow), ..job(&setup) };
    let mut call = hold_job(vendors.providers(), job, &setup);
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    let asked = Transfer {
        to: "+442079460999".to_owned(),
        mode: TransferMode::Attended,
        max_ring: Duration::from_secs(20),
    };
    for _ in 0..500 {
        call.wait(20).await;
        if call.phone.try_action() == Some(PhoneEvent::BeganTransfer(asked.clone())) {
            return call;
        }
    }
    panic!("nobody is called in");
}

fn transfers(reports: &[Report]) -> Vec<TransferState> {
    let state = |report: &Report| match &report.entry {
        Entry::Event(Event::Transfer { state, .. }) => Some(*state),
        _ => None,
    };
    reports.iter().filter_map(state).collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64
}

#[tokio::test(start_paused = true)]
async fn a_caller_hears_music_until_both_hear_the_agent_who_then_leaves() {
    let mut call = ringing().await;
    call.wait(400).await;
    let music = call.wait(4_000).await;
    assert!(music.chunks(1_600).all(|piece| power(piece) > 10_000.0), "the music never stops");
    call.phone.decide_transfer(Ok(Transferred::Joined));
    call.until_agent_is_quiet().await;
    for _ in 0..500 {
        call.wait(20).await;
        if call.phone.try_action() == Some(PhoneEvent::HandedOver) {
            break;
        }
    }
    let (ending, reports) = call.ending().await;
    assert_eq!((ending.status, ending.end_reason), (CallStatus::Completed, EndReason::Transferred));
    assert_eq!(ending.outcome, Some(Outcome::Qualified));
    assert_eq!(said(&reports, Speaker::Agent).last().unwrap(), "This is Ece.");
    assert_eq!(transfers(&reports), [TransferState::Ringing, TransferState::Answered, TransferState::Done]);
    let ends = reports.iter().filter(|report| matches!(report.entry, Entry::Finished { .. })).count();
    assert_eq!(ends, 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_who_is_busy_ends_the_music_and_the_conversation_goes_on() {
    let mut call = ringing().await;
    call.wait(2_000).await;
    call.phone.decide_transfer(Err(TransferError { sip_status: Some(486) }));
    call.wait(200).await;
    assert!(is_silent(&call.wait(40).await), "the music has stopped");
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert_eq!(said(&reports, Speaker::Agent).last().unwrap(), "Nobody is there.");
    assert_eq!(transfers(&reports), [TransferState::Ringing, TransferState::Failed]);
}

#[tokio::test(start_paused = true)]
async fn a_target_who_goes_before_the_agent_leaves_is_not_left_with_the_caller() {
    let mut call = ringing().await;
    call.wait(1_000).await;
    call.phone.target_goes();
    call.phone.decide_transfer(Ok(Transferred::Joined));
    call.until_agent_is_quiet().await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert_eq!(said(&reports, Speaker::Agent).last().unwrap(), "Nobody is there.");
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_is_not_decided_in_time_is_dropped_so_that_nobody_joins_late() {
    let mut call = ringing().await;
    call.wait(20_000).await;
    assert!(call.phone.transfer_is_awaited());
    for _ in 0..1_500 {
        call.wait(20).await;
        if !call.phone.transfer_is_awaited() {
            break;
        }
    }
    assert!(!call.phone.transfer_is_awaited(), "nobody waits for it");
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    assert_eq!(said(&reports, Speaker::Agent).last().unwrap(), "Nobody is there.");
    assert_eq!(transfers(&reports), [TransferState::Ringing, TransferState::Failed]);
}

#[tokio::test(start_paused = true)]
async fn what_the_carrier_tells_is_reported_once() {
    let call = ringing().await;
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    let told: Vec<_> = reports
        .iter()
        .filter_map(|report| match &report.entry {
            Entry::Particulars { attributes } => Some(attributes.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].get("sip.callIDFull").map(String::as_str), Some("virtual"));
}
