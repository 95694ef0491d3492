//! Calls with sipp, an independent SIP implementation, in both directions. The scenarios lie in
//! `tests/sipp/`; `uas_*` are called by us, `uac_*` call us.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use support::*;
use talkif_call_engine::io::LegEnd;
use talkif_telephony::{DialRequest, DirectTelephony, LegEvent, Rejection, Telephony};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// A running sipp; killed when dropped.
struct Sipp {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
    name: String,
}

impl Sipp {
    /// Waits to be called.
    async fn called(scenario: &str) -> Self {
        Self::called_with(scenario, "").await
    }

    /// The same, with the scenario's `STATUS` replaced.
    async fn called_with(scenario: &str, status: &str) -> Self {
        let sipp = Self::start(scenario, status, &[]);
        // The port is taken as soon as sipp is ready.
        for _ in 0..200 {
            if std::net::UdpSocket::bind(sipp.address).is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        sipp
    }

    /// Calls a node.
    fn calls(scenario: &str, status: &str, node: &DirectTelephony) -> Self {
        Self::start(scenario, status, &[&node.local_addr().to_string()])
    }

    fn start(scenario: &str, status: &str, target: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = Path::new("/usr/bin/sipp");
        assert!(program.exists(), "sipp is missing: apt-get install sip-tester");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("talkif-sipp-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{scenario}.xml"));
        let text = std::fs::read_to_string(source).unwrap().replace("STATUS", status);
        let file = folder.join("scenario.xml");
        std::fs::write(&file, text).unwrap();
        let log = folder.join("errors.log");
        let (port, media) = (free_port(), free_port());
        let process = Command::new(program)
            .arg("-sf")
            .arg(&file)
            .args(["-i", "127.0.0.1", "-m", "1", "-l", "1", "-nostdin", "-rtp_echo"])
            .args(["-p", &port.to_string(), "-mp", &media.to_string()])
            .args([
                "-timeout",
                "15s",
                "-timeout_error",
                "-recv_timeout",
                "12000",
                "-trace_err",
                "-error_file",
            ])
            .arg(&log)
            .args(["-trace_msg", "-message_file"])
            .arg(folder.join("messages.log"))
            .args(target)
            .current_dir(&folder)
            .env("TERM", "dumb")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            process,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            log,
            name: scenario.to_owned(),
        }
    }

    /// Waits for the scenario's success.
    async fn succeeds(mut self) {
        let status = timeout(Duration::from_secs(20), self.process.wait()).await;
        let status = status.expect("sipp ends in time").unwrap();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(status.success(), "{} ended with {status}: {log}", self.name);
    }
}

impl Drop for Sipp {
    /// Messages and errors of a failed test are kept for whoever looks into it.
    fn drop(&mut self) {
        if let Some(folder) = self.log.parent().filter(|_| !std::thread::panicking()) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// An even port that was free a moment ago, from a range the kernel gives to nobody.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) * 4 + std::process::id() * 64;
        let port = u16::try_from(12_000 + turn % 16_000).unwrap();
        let bound = |port| std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (port..port + 3).all(bound) {
            return port;
        }
    }
}

fn with_password(address: SocketAddr) -> DialRequest {
    let mut request = request(address);
    request.trunk.username = Some("trunk".to_owned());
    request.trunk.password = Some("secret".to_owned());
    request
}

async fn call_and_hang_up(request: DialRequest, sipp: Sipp) {
    let node = node().await;
    let mut leg = node.dial(request).await.unwrap();
    until(&mut leg, &LegEvent::Answered).await;
    leg.hang_up();
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn an_answered_call_echoes_what_we_say() {
    let sipp = Sipp::called("uas_answers").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    assert_eq!(event(&mut leg).await, LegEvent::Ringing);
    assert_eq!(event(&mut leg).await, LegEvent::Answered);
    let talk = talk(&mut leg, 440.0, Duration::from_secs(2)).await;
    assert!(share_of(440.0, &talk.heard) > 0.8, "{}", share_of(440.0, &talk.heard));
    leg.hang_up();
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn early_media_rings_and_is_not_an_answer() {
    let sipp = Sipp::called("uas_early_media").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    assert_eq!(event(&mut leg).await, LegEvent::Ringing);
    assert!(timeout(Duration::from_millis(200), leg.event()).await.is_err(), "183 does not answer");
    until(&mut leg, &LegEvent::Answered).await;
    leg.hang_up();
    end(&mut leg).await;
    sipp.succeeds().await;
}

#[tokio::test]
async fn refusals_end_as_what_they_mean() {
    for (status, how) in [
        ("486 Busy Here", LegEnd::Busy),
        ("480 Temporarily Unavailable", LegEnd::NoAnswer),
        ("408 Request Timeout", LegEnd::NoAnswer),
        ("404 Not Found", LegEnd::InvalidNumber),
        ("603 Decline", LegEnd::Declined),
        ("500 Server Internal Error", LegEnd::Failed { detail: "500 Server Internal Error".to_owned() }),
    ] {
        let sipp = Sipp::called_with("uas_refuses", status).await;
        let node = node().await;
        let mut leg = dial(&node, sipp.address).await;
        let code = status[..3].parse().unwrap();
        assert_eq!(end(&mut leg).await, (how, Some(code)));
        sipp.succeeds().await;
        assert_forgotten(&node).await;
    }
}

#[tokio::test]
async fn ringing_past_the_limit_is_cancelled_and_is_no_answer() {
    let sipp = Sipp::called("uas_silent").await;
    let node = node().await;
    let mut request = request(sipp.address);
    request.max_ring = Duration::from_millis(800);
    let mut leg = node.dial(request).await.unwrap();
    assert_eq!(end(&mut leg).await, (LegEnd::NoAnswer, Some(487)));
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn hanging_up_while_it_rings_is_cancelled() {
    let sipp = Sipp::called("uas_silent").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    until(&mut leg, &LegEvent::Ringing).await;
    leg.hang_up();
    assert_eq!(end(&mut leg).await, (LegEnd::Canceled, Some(487)));
    sipp.succeeds().await;
}

#[tokio::test]
async fn a_far_end_that_says_nothing_at_all_is_no_answer() {
    let sipp = Sipp::called("uas_mute").await;
    let node = node().await;
    let mut request = request(sipp.address);
    request.max_ring = Duration::from_millis(500);
    let mut leg = node.dial(request).await.unwrap();
    assert_eq!(end(&mut leg).await, (LegEnd::NoAnswer, None));
}

#[tokio::test]
async fn an_answer_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let sipp = Sipp::called("uas_glare").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    until(&mut leg, &LegEvent::Ringing).await;
    leg.hang_up();
    assert_eq!(end(&mut leg).await.0, LegEnd::Canceled);
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn challenges_of_both_kinds_are_answered() {
    for scenario in ["uas_challenges", "uas_proxy_challenges"] {
        let sipp = Sipp::called(scenario).await;
        call_and_hang_up(with_password(sipp.address), sipp).await;
    }
}

#[tokio::test]
async fn a_far_end_that_hangs_up_at_once_is_a_remote_hangup() {
    let sipp = Sipp::called("uas_early_bye").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    until(&mut leg, &LegEvent::Answered).await;
    assert_eq!(end(&mut leg).await.0, LegEnd::RemoteHangup);
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn hold_unhold_keep_alives_and_keys_by_info_leave_the_call_alive() {
    let sipp = Sipp::called("uas_holds").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    until(&mut leg, &LegEvent::Dtmf('7')).await;
    let talk = talk(&mut leg, 440.0, Duration::from_secs(2)).await;
    assert!(share_of(440.0, &talk.heard) > 0.8, "after the hold audio flows again");
    leg.hang_up();
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    sipp.succeeds().await;
}

#[tokio::test]
async fn a_transfer_that_succeeds_ends_our_part() {
    let sipp = Sipp::called("uas_transfers").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    until(&mut leg, &LegEvent::Answered).await;
    timeout(SOON, leg.transfer("tel:+15550100300")).await.unwrap().unwrap();
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    sipp.succeeds().await;
}

#[tokio::test]
async fn a_transfer_that_fails_tells_why_and_the_call_goes_on() {
    let sipp = Sipp::called("uas_fails_transfer").await;
    let node = node().await;
    let mut leg = dial(&node, sipp.address).await;
    until(&mut leg, &LegEvent::Answered).await;
    let error = timeout(SOON, leg.transfer("tel:+15550100300")).await.unwrap().unwrap_err();
    assert_eq!(error.sip_status, Some(486));
    let talk = talk(&mut leg, 440.0, Duration::from_secs(1)).await;
    assert!(share_of(440.0, &talk.heard) > 0.7, "the call goes on");
    leg.hang_up();
    end(&mut leg).await;
    sipp.succeeds().await;
}

#[tokio::test]
async fn a_caller_is_answered_echoes_and_hangs_up() {
    let node = node().await;
    let sipp = Sipp::calls("uac_calls", "", &node);
    let call = incoming(&node).await;
    assert_eq!((call.from.as_str(), call.to.as_str()), ("+15550100199", "+905321234218"));
    let mut leg = call.leg;
    leg.answer().await.unwrap();
    until(&mut leg, &LegEvent::Answered).await;
    let talk = talk(&mut leg, 440.0, Duration::from_secs(1)).await;
    assert!(share_of(440.0, &talk.heard) > 0.7, "{}", share_of(440.0, &talk.heard));
    assert_eq!(end(&mut leg).await.0, LegEnd::RemoteHangup);
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn a_caller_is_hung_up_on() {
    let node = node().await;
    let sipp = Sipp::calls("uac_is_hung_up_on", "", &node);
    let mut leg = incoming(&node).await.leg;
    leg.answer().await.unwrap();
    until(&mut leg, &LegEvent::Answered).await;
    leg.hang_up();
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    sipp.succeeds().await;
}

#[tokio::test]
async fn a_caller_without_an_offer_answers_ours() {
    let node = node().await;
    let sipp = Sipp::calls("uac_offers_nothing", "", &node);
    let mut leg = incoming(&node).await.leg;
    leg.answer().await.unwrap();
    until(&mut leg, &LegEvent::Answered).await;
    let talk = talk(&mut leg, 440.0, Duration::from_secs(1)).await;
    assert!(share_of(440.0, &talk.heard) > 0.7, "the ACK's description is used");
    leg.hang_up();
    end(&mut leg).await;
    sipp.succeeds().await;
}

#[tokio::test]
async fn callers_are_refused_with_the_right_status() {
    for (why, status) in [
        (Rejection::UnknownNumber, "404"),
        (Rejection::NoFlow, "480"),
        (Rejection::Busy, "486"),
        (Rejection::Unavailable, "503"),
    ] {
        let node = node().await;
        let sipp = Sipp::calls("uac_is_refused", status, &node);
        let mut leg = incoming(&node).await.leg;
        leg.reject(why).await.unwrap();
        end(&mut leg).await;
        sipp.succeeds().await;
        assert_forgotten(&node).await;
    }
}

#[tokio::test]
async fn a_caller_who_gives_up_while_it_rings_is_cancelled() {
    let node = node().await;
    let sipp = Sipp::calls("uac_cancels", "", &node);
    let mut leg = incoming(&node).await.leg;
    assert_eq!(end(&mut leg).await.0, LegEnd::Canceled);
    sipp.succeeds().await;
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn a_codec_nobody_speaks_is_refused_before_it_rings() {
    let node = node().await;
    Sipp::calls("uac_speaks_g729", "", &node).succeeds().await;
    assert!(timeout(Duration::from_millis(100), node.next_call()).await.is_err());
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn a_repeated_invite_is_one_call() {
    let node = node().await;
    let sipp = Sipp::calls("uac_repeats", "", &node);
    let mut leg = incoming(&node).await.leg;
    assert!(timeout(Duration::from_millis(300), node.next_call()).await.is_err(), "one call only");
    leg.answer().await.unwrap();
    until(&mut leg, &LegEvent::Answered).await;
    leg.hang_up();
    end(&mut leg).await;
    sipp.succeeds().await;
}

#[tokio::test]
async fn requests_outside_calls_get_sensible_answers() {
    let node = node().await;
    Sipp::calls("uac_odd_methods", "", &node).succeeds().await;
}
