//! Two nodes call each other over loopback.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;
use support::*;
use talkif_call_engine::io::LegEnd;
use talkif_telephony::{DialError, InboundDigest, LegEvent, Received, Rejection, Telephony, Transport};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_call_rings_is_answered_and_carries_a_tone_each_way() {
    let (caller, called) = (node().await, node().await);
    let mut there = dial(&caller, called.local_addr()).await;
    let call = incoming(&called).await;
    assert_eq!((call.from.as_str(), call.to.as_str()), ("+15550100199", "+905321234218"));
    let mut here = call.leg;
    assert_eq!(event(&mut there).await, LegEvent::Ringing);
    here.answer().await.unwrap();
    assert_eq!(event(&mut there).await, LegEvent::Answered);
    assert_eq!(event(&mut here).await, LegEvent::Answered);
    assert_eq!(here.id(), there.id());
    assert!(here.id().ends_with("@127.0.0.1"), "our own Call-ID domain: {}", here.id());

    let two_seconds = Duration::from_secs(2);
    let (a, b) = tokio::join!(talk(&mut there, 440.0, two_seconds), talk(&mut here, 1_000.0, two_seconds));
    assert!(share_of(1_000.0, &a.heard) > 0.8, "{}", share_of(1_000.0, &a.heard));
    assert!(share_of(440.0, &b.heard) > 0.8, "{}", share_of(440.0, &b.heard));
    let quality = there.quality();
    assert!(quality.packets_received > 80 && quality.packets_lost == 0, "{quality:?}");
    assert!(quality.mos > 4.0, "{quality:?}");

    there.hang_up();
    assert_eq!(end(&mut there).await.0, LegEnd::LocalHangup);
    assert_eq!(end(&mut here).await.0, LegEnd::RemoteHangup);
    assert_forgotten(&caller).await;
    assert_forgotten(&called).await;
}

#[tokio::test]
async fn the_called_party_hangs_up() {
    let (caller, called) = (node().await, node().await);
    let (mut there, mut here) = connected(&caller, &called).await;
    here.hang_up();
    assert_eq!(end(&mut there).await.0, LegEnd::RemoteHangup);
    assert_eq!(end(&mut here).await.0, LegEnd::LocalHangup);
    assert_forgotten(&caller).await;
    assert_forgotten(&called).await;
}

#[tokio::test]
async fn a_dropped_leg_hangs_up_by_itself() {
    let (caller, called) = (node().await, node().await);
    let (there, mut here) = connected(&caller, &called).await;
    drop(there);
    assert_eq!(end(&mut here).await.0, LegEnd::RemoteHangup);
    assert_forgotten(&caller).await;
}

#[tokio::test]
async fn keys_arrive_once_each_and_audio_goes_on() {
    let (caller, called) = (node().await, node().await);
    let (mut there, mut here) = connected(&caller, &called).await;
    there.send_dtmf("12*#5");
    here.send_dtmf("99");
    let long = Duration::from_millis(2_400);
    let (a, b) = tokio::join!(talk(&mut there, 440.0, long), talk(&mut here, 1_000.0, long));
    for (leg, expected) in [(&mut here, "12*#5"), (&mut there, "99")] {
        let mut keys = String::new();
        while keys.len() < expected.len() {
            if let LegEvent::Dtmf(key) = event(leg).await {
                keys.push(key);
            }
        }
        assert_eq!(keys, expected);
        assert!(timeout(Duration::from_millis(300), leg.event()).await.is_err(), "no key comes twice");
    }
    assert!(a.received.contains(&Received::Audio) && b.received.ends_with(&[Received::Audio]));
    assert_eq!(here.quality().packets_lost, 0, "telephone-events are not lost audio");
}

#[tokio::test]
async fn hanging_up_before_the_answer_cancels_both_sides() {
    let (caller, called) = (node().await, node().await);
    let mut there = dial(&caller, called.local_addr()).await;
    let mut here = incoming(&called).await.leg;
    until(&mut there, &LegEvent::Ringing).await;
    there.hang_up();
    assert_eq!(end(&mut there).await, (LegEnd::Canceled, Some(487)));
    assert_eq!(end(&mut here).await.0, LegEnd::Canceled);
    assert!(here.answer().await.is_err(), "it is too late to answer");
    assert_forgotten(&caller).await;
    assert_forgotten(&called).await;
}

#[tokio::test]
async fn ringing_longer_than_the_limit_is_no_answer() {
    let (caller, called) = (node().await, node().await);
    let mut request = request(called.local_addr());
    request.max_ring = Duration::from_millis(600);
    let mut there = caller.dial(request).await.unwrap();
    let mut here = incoming(&called).await.leg;
    assert_eq!(end(&mut there).await.0, LegEnd::NoAnswer);
    assert_eq!(end(&mut here).await.0, LegEnd::Canceled);
    assert_forgotten(&caller).await;
}

#[tokio::test]
async fn refusals_reach_the_caller_as_what_they_mean() {
    for (why, status, how) in [
        (Rejection::UnknownNumber, 404, LegEnd::InvalidNumber),
        (Rejection::NoFlow, 480, LegEnd::NoAnswer),
        (Rejection::Busy, 486, LegEnd::Busy),
        (Rejection::Unavailable, 503, LegEnd::Failed { detail: "503 Service Unavailable".to_owned() }),
    ] {
        let (caller, called) = (node().await, node().await);
        let mut there = dial(&caller, called.local_addr()).await;
        let mut here = incoming(&called).await.leg;
        here.reject(why).await.unwrap();
        assert_eq!(end(&mut there).await, (how, Some(status)));
        assert_eq!(end(&mut here).await, (LegEnd::LocalHangup, Some(status)));
        assert_forgotten(&caller).await;
        assert_forgotten(&called).await;
    }
}

#[tokio::test]
async fn a_leg_that_nobody_wants_turns_the_caller_away() {
    let (caller, called) = (node().await, node().await);
    let mut there = dial(&caller, called.local_addr()).await;
    drop(incoming(&called).await.leg);
    assert_eq!(end(&mut there).await, (LegEnd::NoAnswer, Some(480)));
}

#[tokio::test]
async fn callers_with_the_right_password_are_let_in() {
    let digest =
        InboundDigest { realm: "talkif".into(), username: "trunk".into(), password: "secret".into() };
    let mut config = config();
    config.inbound.digest = Some(digest);
    let (caller, called) = (node().await, node_with(config).await);

    let mut right = request(called.local_addr());
    (right.trunk.username, right.trunk.password) = (Some("trunk".to_owned()), Some("secret".to_owned()));
    let mut wrong = right.clone();
    wrong.trunk.password = Some("guess".to_owned());

    let mut refused = caller.dial(wrong).await.unwrap();
    assert!(matches!(end(&mut refused).await.0, LegEnd::Failed { .. }));
    let mut without = dial(&caller, called.local_addr()).await;
    assert!(matches!(end(&mut without).await.0, LegEnd::Failed { .. }));

    let mut there = caller.dial(right).await.unwrap();
    incoming(&called).await.leg.answer().await.unwrap();
    until(&mut there, &LegEvent::Answered).await;
}

#[tokio::test]
async fn sources_that_are_not_on_the_list_are_declined() {
    let mut config = config();
    config.inbound.allow = vec!["192.0.2.0/24".parse().unwrap()];
    let (caller, called) = (node().await, node_with(config).await);
    let mut there = dial(&caller, called.local_addr()).await;
    assert_eq!(end(&mut there).await, (LegEnd::Declined, Some(403)));
    assert_forgotten(&caller).await;
}

#[tokio::test]
async fn only_so_many_calls_may_wait_and_room_comes_back() {
    let mut config = config();
    config.inbound.max_pending_per_source = 2;
    let (caller, called) = (node().await, node_with(config).await);
    let _first_there = dial(&caller, called.local_addr()).await;
    let mut first = incoming(&called).await.leg;
    let _second_there = dial(&caller, called.local_addr()).await;
    let _second = incoming(&called).await.leg;
    let mut third = dial(&caller, called.local_addr()).await;
    assert_eq!(end(&mut third).await.1, Some(503));
    first.answer().await.unwrap();
    until(&mut first, &LegEvent::Answered).await;
    let _fourth_there = dial(&caller, called.local_addr()).await;
    incoming(&called).await;
}

#[tokio::test]
async fn a_call_without_media_ends_and_says_so() {
    let mut config = config();
    config.first_media = Duration::from_millis(700);
    let (caller, called) = (node_with(config).await, node().await);
    let (mut there, mut here) = connected(&caller, &called).await;
    let LegEnd::Failed { detail } = end(&mut there).await.0 else { panic!("no media is a failure") };
    assert!(detail.starts_with("no media for 0.7 s since the answer"), "{detail}");
    assert_eq!(end(&mut here).await.0, LegEnd::RemoteHangup);
}

#[tokio::test]
async fn a_call_that_loses_its_media_ends_and_says_so() {
    let mut config = config();
    config.media_gap = Duration::from_millis(700);
    let (caller, called) = (node_with(config).await, node().await);
    let (mut there, mut here) = connected(&caller, &called).await;
    talk(&mut here, 440.0, Duration::from_millis(300)).await;
    let LegEnd::Failed { detail } = end(&mut there).await.0 else { panic!("lost media is a failure") };
    assert!(detail.contains("in mid-call"), "{detail}");
}

#[tokio::test]
async fn calls_go_over_tcp_too() {
    let (caller, called) = (node().await, node().await);
    let mut request = request(called.local_addr());
    request.trunk.transport = Transport::Tcp;
    let mut there = caller.dial(request).await.unwrap();
    let mut here = incoming(&called).await.leg;
    here.answer().await.unwrap();
    until(&mut there, &LegEvent::Answered).await;
    until(&mut here, &LegEvent::Answered).await;
    here.hang_up();
    assert_eq!(end(&mut there).await.0, LegEnd::RemoteHangup);
    assert_forgotten(&caller).await;
}

#[tokio::test]
async fn a_trunk_that_takes_no_connection_is_no_call_at_all() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let caller = node().await;
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut request = request(closed);
        request.trunk.transport = transport;
        assert!(matches!(caller.dial(request).await, Err(DialError::Sip(_))), "{transport:?}");
    }
    assert_eq!(caller.dialogs(), 0);
}

#[tokio::test]
async fn a_transfer_the_far_end_does_not_know_fails_with_its_status_and_the_call_goes_on() {
    let (caller, called) = (node().await, node().await);
    let (mut there, mut here) = connected(&caller, &called).await;
    let error = timeout(SOON, there.transfer("tel:+15550100300")).await.unwrap().unwrap_err();
    assert_eq!(error.sip_status, Some(405));
    let second = Duration::from_secs(1);
    let (a, _) = tokio::join!(talk(&mut there, 440.0, second), talk(&mut here, 1_000.0, second));
    assert!(share_of(1_000.0, &a.heard) > 0.8);
}

#[tokio::test]
async fn a_dead_address_rings_out_within_the_limit() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let caller = node().await;
    let mut request = request(silent.local_addr().unwrap());
    request.max_ring = Duration::from_millis(500);
    let mut leg = caller.dial(request).await.unwrap();
    assert_eq!(end(&mut leg).await.0, LegEnd::NoAnswer);
}

#[tokio::test]
async fn garbage_on_the_sip_port_disturbs_nobody() {
    let (caller, called) = (node().await, node().await);
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let requests: [&[u8]; 6] = [
        b"\x00\xff\xfe",
        b"INVITE",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKy\r\nCSeq: 1 INVITE\r\n\r\n",
        b"BYE sip:x SIP/2.0\r\nVia: nonsense\r\nCSeq: many\r\n\r\n",
    ];
    for request in requests {
        stranger.send_to(request, called.local_addr()).await.unwrap();
    }
    let (mut there, mut here) = connected(&caller, &called).await;
    here.hang_up();
    assert_eq!(end(&mut there).await.0, LegEnd::RemoteHangup);
}

#[tokio::test]
async fn a_shut_down_node_has_no_next_call() {
    let node = node().await;
    node.shutdown();
    assert!(timeout(SOON, node.next_call()).await.unwrap().is_none());
}

#[tokio::test]
async fn twenty_calls_at_once_keep_apart_and_leave_nothing_behind() {
    let mut config = config();
    config.inbound.max_pending_per_source = 64;
    let (caller, called) = (node().await, node_with(config).await);
    let mut pairs = Vec::new();
    for _ in 0..20 {
        pairs.push(connected(&caller, &called).await);
    }
    assert_eq!((caller.dialogs(), called.dialogs()), (20, 20));
    for (there, here) in &mut pairs {
        assert_eq!(there.id(), here.id());
        there.hang_up();
    }
    for (there, here) in &mut pairs {
        assert_eq!(end(there).await.0, LegEnd::LocalHangup);
        assert_eq!(end(here).await.0, LegEnd::RemoteHangup);
    }
    sleep(Duration::from_millis(100)).await;
    assert_forgotten(&caller).await;
    assert_forgotten(&called).await;
}
