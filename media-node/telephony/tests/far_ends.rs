//! Far ends that lose messages, fork, redirect, insist on extensions, or send odd media.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use raw::{Message, Party, description};
use std::net::SocketAddr;
use std::time::Duration;
use support::*;
use talkif_call_engine::io::LegEnd;
use talkif_media::g711::Law;
use talkif_media::rtp::{Packet, Stamper};
use talkif_telephony::{DialError, FRAME, LegEvent, Pacer, Received, Telephony};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

/// 20 ms packets of a far end under fire.
const PACKETS: u32 = 60;
const MUCH: Duration = Duration::from_secs(5);

/// We dial `party`, which answers with its media at `port`; the leg and the INVITE.
async fn answered_by(party: &Party, node: &talkif_telephony::DirectTelephony, body: &str) -> (Leg, Message) {
    let mut leg = dial(node, party.address()).await;
    let invite = party.next("INVITE").await;
    party.reply(&invite, "200 OK", "a", "", body).await;
    party.next("ACK").await;
    until(&mut leg, &LegEvent::Answered).await;
    (leg, invite)
}

/// `party` calls us; its INVITE is in front of the user.
async fn calls(party: &Party, node: &talkif_telephony::DirectTelephony, more: &str) -> Leg {
    party.send(&party.request("INVITE", "c", more, &description(9, "0 101")), node.local_addr()).await;
    incoming(node).await.leg
}

fn ack(party: &Party, answer: &Message) -> String {
    party.request_to(answer.header("To").unwrap(), "ACK", 1, "c", "", "")
}

#[tokio::test]
async fn an_answer_is_repeated_until_it_is_acknowledged() {
    let (node, party) = (node().await, Party::new().await);
    let mut leg = calls(&party, &node, "").await;
    leg.answer().await.unwrap();
    let first = party.next("SIP/2.0 200").await;
    let second = party.next("SIP/2.0 200").await;
    assert_eq!(first.text, second.text);
    party.send(&ack(&party, &second), node.local_addr()).await;
    until(&mut leg, &LegEvent::Answered).await;
    let more = party.next_within(Duration::from_millis(1_800), |message| message.is("SIP/2.0 200")).await;
    assert!(more.is_none(), "the ACK ends it");
}

#[tokio::test]
async fn an_invite_repeated_after_the_answer_is_no_second_call() {
    let (node, party) = (node().await, Party::new().await);
    let invite = party.request("INVITE", "c", "", &description(9, "0"));
    party.send(&invite, node.local_addr()).await;
    let mut leg = incoming(&node).await.leg;
    leg.answer().await.unwrap();
    let answer = party.next("SIP/2.0 200").await;
    party.send(&invite, node.local_addr()).await;
    party.send(&ack(&party, &answer), node.local_addr()).await;
    until(&mut leg, &LegEvent::Answered).await;
    party.send(&invite, node.local_addr()).await;
    assert!(timeout(Duration::from_millis(300), node.next_call()).await.is_err());
    assert_eq!(node.dialogs(), 1);
}

#[tokio::test]
async fn a_lost_bye_is_sent_again() {
    let (node, party) = (node().await, Party::new().await);
    let (mut leg, _) = answered_by(&party, &node, &description(9, "0")).await;
    leg.hang_up();
    party.next("BYE").await;
    let again = party.next("BYE").await;
    party.reply(&again, "200 OK", "", "", "").await;
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn a_bye_that_is_never_answered_ends_the_call_all_the_same() {
    let (node, party) = (node().await, Party::new().await);
    let (mut leg, _) = answered_by(&party, &node, &description(9, "0")).await;
    leg.hang_up();
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn of_two_that_answer_the_first_is_kept_and_the_other_one_ended() {
    let (node, party) = (node().await, Party::new().await);
    let (mut leg, invite) = answered_by(&party, &node, &description(9, "0")).await;
    party.reply(&invite, "200 OK", "fork", "", &description(9, "0")).await;
    let bye = party.next("BYE").await;
    assert!(bye.header("To").unwrap().contains("tag=fork"), "{}", bye.text);
    party.reply(&bye, "200 OK", "", "", "").await;
    assert!(timeout(Duration::from_millis(300), leg.event()).await.is_err(), "the call goes on");
}

#[tokio::test]
async fn a_redirection_is_a_failure_that_names_itself() {
    let (node, party) = (node().await, Party::new().await);
    let mut leg = dial(&node, party.address()).await;
    let invite = party.next("INVITE").await;
    party.reply(&invite, "302 Moved Temporarily", "a", "", "").await;
    let (how, status) = end(&mut leg).await;
    assert_eq!(status, Some(302));
    let LegEnd::Failed { detail } = how else { panic!("{how:?}") };
    assert!(detail.starts_with("302"), "{detail}");
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn reliable_provisional_answers_are_acknowledged() {
    let (node, party) = (node().await, Party::new().await);
    let mut leg = dial(&node, party.address()).await;
    let invite = party.next("INVITE").await;
    let reliable = "Require: 100rel\r\nRSeq: 41\r\n";
    party.reply(&invite, "183 Session Progress", "a", reliable, &description(9, "0")).await;
    let prack = party.next("PRACK").await;
    let cseq = invite.header("CSeq").unwrap();
    assert_eq!(prack.header("RAck"), Some(format!("41 {cseq}").as_str()));
    party.reply(&prack, "200 OK", "", "", "").await;
    until(&mut leg, &LegEvent::Ringing).await;
    party.reply(&invite, "200 OK", "a", "", &description(9, "0")).await;
    until(&mut leg, &LegEvent::Answered).await;
}

#[tokio::test]
async fn requests_before_the_answer_are_answered_and_do_not_end_the_call() {
    let (node, party) = (node().await, Party::new().await);
    let mut leg = dial(&node, party.address()).await;
    let invite = party.next("INVITE").await;
    party.reply(&invite, "183 Session Progress", "a", "", &description(9, "0")).await;
    until(&mut leg, &LegEvent::Ringing).await;
    let (ours, theirs) = (invite.header("From").unwrap(), invite.header("To").unwrap());
    let update = party
        .request_to(ours, "UPDATE", 1, invite.header("Call-ID").unwrap(), "", &description(9, "0"))
        .replace("From: <sip:+15550100199@127.0.0.1>;tag=raw", &format!("From: {theirs};tag=a"));
    party.send(&update, node.local_addr()).await;
    let answer = party.answer().await;
    assert!(matches!(answer.status(), Some(200 | 500)), "{}", answer.text);
    party.reply(&invite, "200 OK", "a", "", &description(9, "0")).await;
    until(&mut leg, &LegEvent::Answered).await;
}

#[tokio::test]
async fn a_caller_that_wants_reliable_provisional_answers_gets_none_but_is_answered() {
    let (node, party) = (node().await, Party::new().await);
    let mut leg = calls(&party, &node, "Require: 100rel\r\n").await;
    let early = |message: &Message| message.status().is_some_and(|status| (101..200).contains(&status));
    assert!(party.next_within(Duration::from_millis(300), early).await.is_none());
    leg.answer().await.unwrap();
    party.next("SIP/2.0 200").await;
}

#[tokio::test]
async fn extensions_we_do_not_know_are_refused_by_name() {
    let (node, party) = (node().await, Party::new().await);
    let invite = party.request("INVITE", "c", "Require: timer, sec-agree\r\n", &description(9, "0"));
    party.send(&invite, node.local_addr()).await;
    let answer = party.answer().await;
    assert_eq!((answer.status(), answer.header("Unsupported")), (Some(420), Some("sec-agree")));
    assert_eq!(node.load().transactions, 0);
}

#[tokio::test]
async fn a_callers_session_timer_is_kept_and_too_short_a_one_refused() {
    let (node, party) = (node().await, Party::new().await);
    let short = party.request("INVITE", "short", "Session-Expires: 20\r\n", &description(9, "0"));
    party.send(&short, node.local_addr()).await;
    let refused = party.answer().await;
    assert_eq!((refused.status(), refused.header("Min-SE")), (Some(422), Some("90")));
    let mut leg = calls(&party, &node, "Require: timer\r\nSession-Expires: 1800\r\n").await;
    leg.answer().await.unwrap();
    let answer = party.next("SIP/2.0 200").await;
    assert_eq!(answer.header("Session-Expires"), Some("1800;refresher=uac"));
    assert_eq!(answer.header("Require"), Some("timer"));
    party.send(&ack(&party, &answer), node.local_addr()).await;
    until(&mut leg, &LegEvent::Answered).await;
    let update = party.request_to(
        answer.header("To").unwrap(),
        "UPDATE",
        2,
        "c",
        "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n",
        "",
    );
    party.send(&update, node.local_addr()).await;
    let refreshed = party.answer().await;
    assert_eq!(refreshed.status(), Some(200));
    assert_eq!(refreshed.header("Session-Expires"), Some("1800;refresher=uac"));
}

#[tokio::test]
async fn we_refresh_a_session_when_asked_to_and_end_it_when_the_far_end_forgot_it() {
    let mut config = config();
    config.min_session = Duration::from_secs(2);
    let (node, party) = (node_with(config).await, Party::new().await);
    let mut leg = calls(&party, &node, "Supported: timer\r\nSession-Expires: 2;refresher=uas\r\n").await;
    leg.answer().await.unwrap();
    let answer = party.next("SIP/2.0 200").await;
    assert_eq!(answer.header("Session-Expires"), Some("2;refresher=uas"));
    party.send(&ack(&party, &answer), node.local_addr()).await;
    until(&mut leg, &LegEvent::Answered).await;
    let refresh = party.next("INVITE").await;
    assert_eq!(refresh.header("Session-Expires"), Some("2;refresher=uac"));
    assert_eq!(refresh.media_port(), answer.media_port(), "nothing changes");
    party.reply(&refresh, "200 OK", "", "", &description(9, "0")).await;
    party.next("ACK").await;
    let again = party.next("INVITE").await;
    party.reply(&again, "481 Call/Transaction Does Not Exist", "", "", "").await;
    let bye = party.next("BYE").await;
    party.reply(&bye, "481 Call/Transaction Does Not Exist", "", "", "").await;
    let LegEnd::Failed { detail } = end(&mut leg).await.0 else { panic!("a forgotten call is a failure") };
    assert_eq!(detail, "the far end no longer knows the call");
}

#[tokio::test]
async fn keys_go_by_info_to_a_far_end_without_telephone_events() {
    let (node, party) = (node().await, Party::new().await);
    let plain = description(9, "0").replace("a=rtpmap:101 telephone-event/8000\r\n", "");
    let (mut leg, _) = answered_by(&party, &node, &plain).await;
    leg.send_dtmf("5#");
    for key in ["5", "#"] {
        let info = party.next("INFO").await;
        assert_eq!(info.header("Content-Type"), Some("application/dtmf-relay"));
        assert!(info.body().starts_with(&format!("Signal={key}\r\nDuration=")), "{}", info.body());
        party.reply(&info, "200 OK", "", "", "").await;
    }
}

#[tokio::test]
async fn closing_hangs_up_what_is_there_whatever_its_state() {
    let (node, answered, ringing, waiting) =
        (node().await, Party::new().await, Party::new().await, Party::new().await);
    let (mut talking, _) = answered_by(&answered, &node, &description(9, "0")).await;
    let mut dialled = dial(&node, ringing.address()).await;
    let invite = ringing.next("INVITE").await;
    ringing.reply(&invite, "180 Ringing", "r", "", "").await;
    until(&mut dialled, &LegEvent::Ringing).await;
    let mut inbound = calls(&waiting, &node, "").await;

    let far_ends = async {
        let bye = answered.next("BYE").await;
        answered.reply(&bye, "200 OK", "", "", "").await;
        let cancel = ringing.next("CANCEL").await;
        ringing.reply(&cancel, "200 OK", "r", "", "").await;
        ringing.reply(&invite, "487 Request Terminated", "r", "", "").await;
        let refusal = waiting.answer().await;
        assert_eq!(refusal.status(), Some(480));
    };
    timeout(MUCH * 2, async { tokio::join!(node.close(), far_ends) }).await.unwrap();
    assert_eq!(end(&mut talking).await.0, LegEnd::LocalHangup);
    assert_eq!(end(&mut dialled).await.0, LegEnd::Canceled);
    assert_eq!(end(&mut inbound).await.0, LegEnd::LocalHangup);
    assert!(node.next_call().await.is_none());
    assert!(matches!(node.dial(request(answered.address())).await, Err(DialError::Sip(_))));
}

#[tokio::test]
async fn dropping_the_telephony_hangs_up_too() {
    let (node, party) = (node().await, Party::new().await);
    let (mut leg, _) = answered_by(&party, &node, &description(9, "0")).await;
    drop(node);
    let bye = party.next("BYE").await;
    party.reply(&bye, "200 OK", "", "", "").await;
    assert_eq!(end(&mut leg).await.0, LegEnd::LocalHangup);
}

/// Datagrams that must not disturb a stream, from whoever.
fn odd_datagrams() -> Vec<Vec<u8>> {
    let mut stamper = Stamper::new(0xbad, 1, 1);
    let mut written = |payload_type: u8, payload: &[u8]| {
        let mut datagram = Vec::new();
        stamper.stamp(payload_type, true).write(payload, &mut datagram);
        datagram
    };
    let mut rtcp = vec![0x80, 200, 0, 6];
    rtcp.resize(28, 7);
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.resize(20, 1);
    let mut csrcs = written(0, &[0x55; 20]);
    csrcs[0] |= 0x0f;
    let mut extension = written(0, &[0x55; 20]);
    extension[0] |= 0x10;
    extension[14..16].copy_from_slice(&[0xff, 0xff]);
    let mut padding = written(0, &[0xff; 20]);
    padding[0] |= 0x20;
    vec![rtcp, stun, csrcs, extension, padding, written(77, &[1; 160]), vec![], vec![0x80], vec![0xff; 9_000]]
}

/// Sends 20 ms frames of a tone and, between them, odd datagrams; listens on the leg meanwhile.
async fn listen_under_fire(leg: &mut Leg, far: &UdpSocket, strangers: &[UdpSocket], to: SocketAddr) -> Talk {
    let (mut stamper, mut pacer) = (Stamper::new(7, 65_500, u32::MAX - 4_000), Pacer::new(FRAME));
    let mut talk = Talk { heard: Vec::new(), received: Vec::new() };
    let mut stranger = Stamper::new(8, 1, 1);
    for n in 0..PACKETS {
        pacer.tick().await;
        let mut datagram = Vec::new();
        let tone: Vec<i16> =
            (n * 160..(n + 1) * 160).map(|at| if at / 4 % 2 == 0 { 6_000 } else { -6_000 }).collect();
        let mut payload = Vec::new();
        Law::Mu.encode_all(&tone, &mut payload);
        stamper.stamp(0, n == 0).write(&payload, &mut datagram);
        stamper.advance(160);
        far.send_to(&datagram, to).await.unwrap();
        for odd in odd_datagrams() {
            far.send_to(&odd, to).await.unwrap();
        }
        for socket in strangers {
            let mut datagram = Vec::new();
            stranger.stamp(0, false).write(&[0x10; 160], &mut datagram);
            socket.send_to(&datagram, to).await.unwrap();
        }
        let mut frame = [0; 160];
        talk.received.push(leg.receive(&mut frame));
        talk.heard.extend(frame);
    }
    talk
}

#[tokio::test]
async fn strangers_and_odd_packets_neither_disturb_nor_steal_the_media() {
    let (node, party) = (node().await, Party::new().await);
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = far.local_addr().unwrap().port();
    let (mut leg, invite) = answered_by(&party, &node, &description(port, "0 101")).await;
    let to = SocketAddr::from(([127, 0, 0, 1], invite.media_port()));
    let mut strangers = Vec::new();
    for ip in ["127.0.0.77", "127.0.0.78", "127.0.0.1"] {
        strangers.push(UdpSocket::bind((ip, 0)).await.unwrap());
    }
    let talk = listen_under_fire(&mut leg, &far, &strangers, to).await;
    for _ in 0..200 {
        if leg.quality().packets_received >= u64::from(PACKETS) {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let quality = leg.quality();
    assert_eq!((quality.packets_received, quality.packets_lost), (u64::from(PACKETS), 0), "{quality:?}");
    assert!(share_of(1_000.0, &talk.heard) > 0.6, "{}", share_of(1_000.0, &talk.heard));
    assert!(talk.received.contains(&Received::Audio));
    // Ours goes to the far end alone.
    leg.send(&[500; 160]);
    let mut buffer = [0; 2_048];
    let (length, _) = timeout(SOON, far.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert!(Packet::parse(&buffer[..length]).is_ok());
    for stranger in &strangers {
        assert!(stranger.try_recv_from(&mut buffer).is_err());
    }
}

#[tokio::test]
async fn late_packets_of_an_old_call_on_the_same_port_give_way_to_the_new_one() {
    let (node, party) = (node().await, Party::new().await);
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let old = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = far.local_addr().unwrap().port();
    let (mut leg, invite) = answered_by(&party, &node, &description(port, "0 101")).await;
    let to = SocketAddr::from(([127, 0, 0, 1], invite.media_port()));
    let mut datagram = Vec::new();
    Stamper::new(3, 9, 9).stamp(0, false).write(&[0x20; 160], &mut datagram);
    old.send_to(&datagram, to).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let talk = listen_under_fire(&mut leg, &far, &[old], to).await;
    assert!(share_of(1_000.0, &talk.heard) > 0.6, "{}", share_of(1_000.0, &talk.heard));
    assert_eq!(leg.quality().packets_lost, 0, "{:?}", leg.quality());
}
