//! What goes wrong in a call and must not end it, or must end it alone.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::vendors::Vendors;
use support::{
    Folder, KEY, SAMPLES_PER_MS, Setup, attributes, hold, hold_job, is_silent, job, said, spans, troubles,
    voice,
};
use talkif_media::wav;
use talkif_model::{CallStatus, EndReason, Outcome, Speaker};
use talkif_session::job::{Entry, Report};
use talkif_session::recording::decrypt_to_wav;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_recogniser_lost_in_mid_word_is_replaced_and_hears_the_word() {
    let vendors = Vendors::new(|script| {
        script.lines = ["Hello?", "I want a demo."].into();
        // The first one dies 15 frames into the second speech.
        script.lose_ears_after = [30 + 15].into();
    });
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.until_agent_speaks().await;
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    let script = vendors.0.lock().unwrap();
    assert_eq!(script.ears_opened, 2);
    assert!(script.loud_frames[1] >= 55, "the second one heard {} of 60 frames", script.loud_frames[1]);
    assert_eq!(said(&reports, Speaker::Caller).last().unwrap(), "I want a demo.");
    assert_eq!(troubles(&reports), ["speech recognition: the stream ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_deaf_recogniser_is_replaced_and_hears_what_was_said() {
    let vendors = Vendors::new(|script| {
        script.lines = ["I want a demo."].into();
        script.deaf = 1;
    });
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.wait(3_000).await;
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    assert_eq!(vendors.0.lock().unwrap().ears_opened, 2);
    assert_eq!(said(&reports, Speaker::Caller), ["I want a demo."]);
}

#[tokio::test(start_paused = true)]
async fn an_utterance_that_fails_is_spoken_by_the_second_attempt() {
    let vendors = Vendors::new(|script| script.failing_utterances = 1);
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert_eq!(said(&reports, Speaker::Agent), ["Hello Ece, do you have a minute?"]);
}

#[tokio::test(start_paused = true)]
async fn an_utterance_that_breaks_off_is_taken_up_where_it_was_lost() {
    let vendors = Vendors::new(|script| script.breaks_off_after = Some(3));
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.until_agent_speaks().await;
    call.wait(8_000).await;
    let words = call.heard.iter().filter(|sample| **sample != 0).count() / (300 * SAMPLES_PER_MS);
    assert_eq!(words, 7, "every word of the greeting, once");
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert!(troubles(&reports).contains(&"voice: as the test wants it"), "{:?}", troubles(&reports));
}

#[tokio::test(start_paused = true)]
async fn without_a_voice_the_call_ends_as_the_agents_error() {
    let vendors = Vendors::new(|script| script.no_voice = true);
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    let heard = call.wait(1_000).await;
    assert!(is_silent(&heard));
    let (ending, _) = call.ending().await;
    assert_eq!((ending.status, ending.end_reason), (CallStatus::Failed, EndReason::AgentError));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_call_and_no_other() {
    let healthy = Vendors::new(|_| {});
    let broken = Vendors::new(|script| {
        script.lines = ["Hello?", "I want a demo."].into();
        script.model_panics = true;
    });
    let mut other = hold(&healthy, &Setup::default());
    let folder = Folder::new();
    let mut call = hold(&broken, &Setup { recordings: Some(folder.0.clone()), ..Setup::default() });
    other.answer().await;
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.speak(1_200).await;
    call.wait(1_000).await;
    assert!(call.has_hung_up());
    let (ending, reports) = call.ending().await;
    assert_eq!((ending.status, ending.end_reason), (CallStatus::Failed, EndReason::AgentError));
    assert_eq!(ending.outcome, None, "a conversation took place");
    assert!(matches!(reports.last().unwrap().entry, Entry::Finished { .. }));
    assert!(
        reports.iter().any(|report| matches!(report.entry, Entry::Recording { .. })),
        "what there was is kept"
    );

    other.until_agent_speaks().await;
    other.phone.hang_up();
    assert_eq!(other.ending().await.0.end_reason, EndReason::CallerHangup);
}

#[tokio::test(start_paused = true)]
async fn a_recording_holds_what_was_said_on_both_sides() {
    let folder = Folder::new();
    let vendors = Vendors::new(|script| script.lines = ["Hello?"].into());
    let setup = Setup { recordings: Some(folder.0.clone()), ..Setup::default() };
    let mut call = hold(&vendors, &setup);
    call.answer().await;
    call.speak(600).await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let heard = call.heard.clone();
    let (_, reports) = call.ending().await;

    let (path, bytes, duration_ms) = reports
        .iter()
        .find_map(|report| match &report.entry {
            Entry::Recording { path, bytes, duration_ms } => Some((path.clone(), *bytes, *duration_ms)),
            _ => None,
        })
        .unwrap();
    let job = job(&setup);
    assert_eq!(path, format!("eu-west/{}/{}.rec", job.account_id, job.call_id));
    assert_eq!(folder.files(), std::slice::from_ref(&path));
    assert_eq!(std::fs::metadata(folder.0.join(&path)).unwrap().len(), bytes);
    let wav = wav::read(&decrypt_to_wav(&folder.0.join(&path), &KEY).unwrap()).unwrap();
    assert_eq!(wav.samples.len() as u64, duration_ms * 8 * 2);
    let side = |first: usize| wav.samples.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
    let (left, right) = (side(0), side(1));
    let spoken = voice(600);
    let begin = left.iter().position(|sample| *sample != 0).unwrap();
    let from = spoken.iter().position(|sample| *sample != 0).unwrap();
    assert_eq!(left[begin..begin + spoken.len() - from], spoken[from..]);
    let length = heard.len().min(right.len());
    assert_eq!(right[..length], heard[..length]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_ends_the_recording_and_not_the_call() {
    let folder = Folder::new();
    std::fs::write(folder.0.join("eu-west"), b"a file where a folder must be").unwrap();
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &Setup { recordings: Some(folder.0.clone()), ..Setup::default() });
    call.answer().await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert!(troubles(&reports).contains(&"the recording has stopped"), "{:?}", troubles(&reports));
    assert!(reports.iter().any(|report| matches!(report.entry, Entry::RecordingFailed { .. })));
    assert_eq!(folder.files(), ["eu-west"]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_in_mid_recording_leaves_the_call_alone_and_no_file() {
    let folder = Folder::new();
    let setup = Setup { recordings: Some(folder.0.clone()), ..Setup::default() };
    let job = job(&setup);
    let account = folder.0.join(format!("eu-west/{}", job.account_id));
    std::fs::create_dir_all(&account).unwrap();
    // The file opens, and every write to this device fails with "no space left".
    std::os::unix::fs::symlink("/dev/full", account.join(format!("{}.rec.part", job.call_id))).unwrap();
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &setup);
    call.answer().await;
    call.until_agent_speaks().await;
    call.until_agent_is_quiet().await;
    call.phone.hang_up();
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::CallerHangup);
    assert_eq!(said(&reports, Speaker::Agent), ["Hello Ece, do you have a minute?"]);
    let failed = |report: &Report| matches!(&report.entry, Entry::RecordingFailed { detail } if detail.starts_with("recording stopped:"));
    assert_eq!(reports.iter().filter(|report| failed(report)).count(), 1);
    assert!(!reports.iter().any(|report| matches!(report.entry, Entry::Recording { .. })));
    assert!(folder.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fence_stops_the_agent_at_once_and_nothing_more_is_written() {
    let folder = Folder::new();
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &Setup { recordings: Some(folder.0.clone()), ..Setup::default() });
    call.answer().await;
    call.until_agent_speaks().await;
    call.wait(200).await;
    while call.reports.try_recv().is_ok() {}
    call.fence.cancel();
    sleep(Duration::from_millis(1)).await;
    let _ = call.phone.heard();
    assert!(is_silent(&call.wait(500).await));
    assert!(call.has_hung_up(), "the leg is dropped");
    let (ending, reports) = call.ending().await;
    assert_eq!(ending.end_reason, EndReason::AgentCrashed);
    assert!(reports.is_empty(), "{reports:?}");
    assert!(folder.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_slept_past_its_lease_holds_its_tongue_until_it_knows_whose_call_it_is() {
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.until_agent_speaks().await;
    call.wait(200).await;
    tokio::time::advance(Duration::from_secs(11)).await;
    let _before = call.phone.heard();
    assert!(is_silent(&call.wait(900).await));
}

#[tokio::test(start_paused = true)]
async fn a_call_nobody_answers_reached_nobody_and_leaves_no_recording() {
    let folder = Folder::new();
    let vendors = Vendors::new(|_| {});
    let call = hold(&vendors, &Setup { recordings: Some(folder.0.clone()), ..Setup::default() });
    call.phone.report(talkif_telephony::LegEvent::Ringing);
    let (ending, reports) = call.ending().await;
    assert_eq!((ending.status, ending.outcome), (CallStatus::NoAnswer, Some(Outcome::NoAnswer)));
    assert_eq!(spans(&reports)[0], "dial.start");
    assert!(!spans(&reports).contains(&"call.answered"));
    assert!(folder.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_cannot_be_rendered_ends_the_call_before_it_began() {
    let vendors = Vendors::new(|_| {});
    let mut job = job(&Setup::default());
    Arc::make_mut(&mut job.flow).greeting = "Hello {{#if}}".into();
    let mut call = hold_job(vendors.providers(), job, &Setup::default());
    sleep(Duration::from_millis(10)).await;
    assert!(call.has_hung_up());
    let (ending, reports) = call.ending().await;
    assert_eq!((ending.status, ending.end_reason), (CallStatus::Failed, EndReason::AgentError));
    assert!(!format!("{reports:?}").contains("{{"), "the prompt stays out of the record");
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_paced_in_real_time() {
    let vendors = Vendors::new(|_| {});
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.wait(2_000).await;
    let heard = call.wait(1_000).await;
    assert_eq!(heard.len(), 1_000 * SAMPLES_PER_MS);
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    let media = attributes(&reports, "call.media");
    // 50 a second from the answer on, and at most two around the hanging up.
    let frames = media["media.frames"].as_u64().unwrap();
    assert!((150..=152).contains(&frames), "{frames} frames");
    assert_eq!(media["media.frames_late"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_trace_tells_how_soon_the_agent_fell_silent_for_the_caller() {
    let vendors = Vendors::new(|script| script.lines = ["Hello?", "No, wait a moment please."].into());
    let mut call = hold(&vendors, &Setup::default());
    call.answer().await;
    call.until_agent_speaks().await;
    call.wait(600).await;
    call.speak(1_200).await;
    call.phone.hang_up();
    let (_, reports) = call.ending().await;
    let silence_ms = attributes(&reports, "call.media")["media.silence_ms"].as_u64().unwrap();
    assert!(silence_ms <= 41, "{silence_ms} ms: a frame to fade, a frame of silence");
}
