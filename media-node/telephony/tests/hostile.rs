//! The SIP port on the open internet: scanners, floods, junk, and connections that trickle.
//!
//! `127.0.0.1` is the carrier on the list; other addresses of this machine are strangers.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use raw::{Message, Party, description};
use std::net::SocketAddr;
use std::time::Duration;
use support::*;
use talkif_call_engine::io::LegEnd;
use talkif_telephony::{DirectConfig, FRAME, InboundDigest, LegEvent, Pacer, Received, Telephony};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout};

const STRANGER: &str = "127.0.0.66";

fn open_to_the_carrier() -> DirectConfig {
    let mut config = config();
    config.inbound.allow = vec!["127.0.0.1/32".parse().unwrap()];
    config
}

#[tokio::test]
async fn scanners_are_refused_once_and_leave_nothing_behind() {
    let node = node_with(open_to_the_carrier()).await;
    let scanner = Party::at(STRANGER).await;
    for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE"] {
        let agent = "User-Agent: friendly-scanner\r\n";
        scanner.send(&scanner.request(method, method, agent, ""), node.local_addr()).await;
        assert_eq!(scanner.answer().await.status(), Some(403), "{method}");
    }
    let again = scanner.next_within(Duration::from_millis(800), |_| true).await;
    assert!(again.is_none(), "a refusal is not repeated: {again:?}");
    assert!(timeout(Duration::from_millis(50), node.next_call()).await.is_err());
    let load = node.load();
    assert_eq!((load.dialogs, load.transactions, load.remembered_answers), (0, 0, 0));
}

#[tokio::test]
async fn the_carrier_hears_what_we_can_do_and_others_methods_are_not_allowed() {
    let node = node_with(open_to_the_carrier()).await;
    let carrier = Party::new().await;
    for (method, status) in [("OPTIONS", 200), ("REGISTER", 405), ("PUBLISH", 405)] {
        carrier.send(&carrier.request(method, method, "", ""), node.local_addr()).await;
        let answer = carrier.answer().await;
        assert_eq!(answer.status(), Some(status), "{method}");
        assert!(answer.header("Allow").unwrap().contains("INVITE"));
        assert!(answer.header("To").unwrap().contains(";tag="), "{}", answer.text);
    }
    assert_eq!(node.load().transactions, 0);
}

#[tokio::test]
async fn requests_of_calls_that_are_not_there_change_nothing() {
    let node = node_with(open_to_the_carrier()).await;
    let carrier = Party::new().await;
    for method in ["BYE", "INVITE", "INFO", "UPDATE", "NOTIFY", "CANCEL"] {
        let to = "<sip:1@127.0.0.1>;tag=guessed";
        carrier.send(&carrier.request_to(to, method, 7, method, "", ""), node.local_addr()).await;
        assert_eq!(carrier.answer().await.status(), Some(481), "{method}");
    }
    let ack = carrier.request_to("<sip:1@127.0.0.1>;tag=guessed", "ACK", 7, "ack", "", "");
    carrier.send(&ack, node.local_addr()).await;
    assert!(carrier.next_within(Duration::from_millis(200), |_| true).await.is_none());
    assert_eq!(node.load().transactions, 0);
}

#[tokio::test]
async fn guessed_passwords_are_challenged_each_time_and_leave_nothing_behind() {
    let mut config = config();
    config.inbound.allow.clear();
    config.inbound.digest =
        Some(InboundDigest { realm: "talkif".into(), username: "trunk".into(), password: "secret".into() });
    let node = node_with(config).await;
    let guesser = Party::at(STRANGER).await;
    let mut nonce = "0".to_owned();
    for guess in 0..5 {
        let authorization = format!(
            "Authorization: Digest username=\"trunk\", realm=\"talkif\", nonce=\"{nonce}\", \
             uri=\"sip:1@127.0.0.1\", response=\"{guess:032x}\", algorithm=MD5\r\n"
        );
        let invite = guesser.request("INVITE", &guess.to_string(), &authorization, &description(9, "0"));
        guesser.send(&invite, node.local_addr()).await;
        let answer = guesser.answer().await;
        assert_eq!(answer.status(), Some(401));
        nonce = answer.header("WWW-Authenticate").unwrap().split('"').nth(3).unwrap().to_owned();
    }
    let load = node.load();
    assert_eq!((load.dialogs, load.transactions, load.remembered_answers), (0, 0, 0));
}

#[tokio::test]
async fn a_flood_of_invites_rings_as_often_as_may_be_and_is_over_when_it_is_over() {
    let mut config = open_to_the_carrier();
    (config.inbound.max_pending, config.inbound.max_pending_per_source) = (8, 8);
    let node = node_with(config).await;
    let flood = Party::new().await;
    for n in 0..200 {
        flood
            .send(&flood.request("INVITE", &n.to_string(), "", &description(9, "0")), node.local_addr())
            .await;
        if n % 20 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    let is_final = |message: &Message| message.status().is_some_and(|status| status >= 200);
    let mut turned_away = 0;
    while let Some(answer) = flood.next_within(Duration::from_millis(400), is_final).await {
        assert_eq!(answer.status(), Some(503));
        assert_eq!(answer.header("Retry-After"), Some("5"));
        turned_away += 1;
    }
    assert!(turned_away > 50, "but for what the kernel dropped: {turned_away}");
    assert_eq!(node.load().dialogs, 8);
    assert!(node.load().transactions <= 8, "{:?}", node.load());
    for _ in 0..8 {
        drop(incoming(&node).await);
    }
    assert_forgotten(&node).await;
}

#[tokio::test]
async fn one_source_has_a_budget_of_messages_and_strangers_share_one() {
    let mut config = open_to_the_carrier();
    config.inbound.limits.messages_per_second = 20;
    config.inbound.limits.messages_per_stranger = 2;
    config.inbound.limits.strangers_per_second = 4;
    let node = node_with(config).await;
    let (carrier, many) =
        (Party::new().await, [Party::at("127.0.0.67").await, Party::at("127.0.0.68").await]);
    let started = Instant::now();
    for n in 0..300 {
        for party in [&carrier, &many[0], &many[1]] {
            party.send(&party.request("OPTIONS", &n.to_string(), "", ""), node.local_addr()).await;
        }
    }
    let (mut known, mut strange) = (0, 0);
    while carrier.next_within(Duration::from_millis(200), |_| true).await.is_some() {
        known += 1;
    }
    for party in &many {
        while party.next_within(Duration::from_millis(50), |_| true).await.is_some() {
            strange += 1;
        }
    }
    // Two seconds' worth at once, and what flowed in meanwhile.
    let seconds = started.elapsed().as_secs() + 3;
    assert!((20..=20 * seconds).contains(&known), "{known} in {seconds} s");
    assert!((1..=4 * seconds).contains(&strange), "{strange} in {seconds} s");
    assert!(node.load().dropped > 100, "{:?}", node.load());
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// Junk of all kinds, about ten thousand datagrams a second.
async fn junk(to: SocketAddr, datagrams: usize) {
    let scanner = Party::at(STRANGER).await;
    let giant = scanner.request("INVITE", "giant", &format!("X-Giant: {}\r\n", "9".repeat(60_000)), "");
    let half = scanner.request("INVITE", "half", "", &description(9, "0"));
    let kinds: [Vec<u8>; 6] = [
        vec![0xff; 1_200],
        b"\x00\x01\x00\x00\x21\x12\xa4\x42junk".to_vec(),
        half.as_bytes()[..half.len() / 2].to_vec(),
        giant.into_bytes(),
        scanner.request("OPTIONS", "probe", "User-Agent: sipvicious\r\n", "").into_bytes(),
        b"INVITE sip:x SIP/2.0\r\nVia: \xff\xfe\r\nCSeq: \x00\r\n\r\n".to_vec(),
    ];
    let socket = UdpSocket::bind((STRANGER, 0)).await.unwrap();
    let mut pacer = Pacer::new(Duration::from_millis(5));
    for n in 0..datagrams {
        if n % 50 == 0 {
            pacer.tick().await;
        }
        // A full buffer loses junk.
        let _ = socket.send_to(&kinds[n % kinds.len()], to).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_under_a_storm_of_junk_and_memory_stays_where_it_is() {
    let (caller, called) = (node().await, node_with(open_to_the_carrier()).await);
    let (mut there, mut here) = connected(&caller, &called).await;
    let settle = Duration::from_millis(300);
    tokio::join!(talk(&mut there, 440.0, settle), talk(&mut here, 1_000.0, settle));
    let before = resident();
    let storm = tokio::spawn(junk(called.local_addr(), 20_000));
    let long = Duration::from_millis(2_200);
    let lateness = tokio::spawn(async move {
        let (mut pacer, mut worst) = (Pacer::new(FRAME), Duration::ZERO);
        for _ in 0..110 {
            worst = worst.max(pacer.tick().await.lateness);
        }
        worst
    });
    let (heard, _) = tokio::join!(talk(&mut there, 440.0, long), talk(&mut here, 1_000.0, long));
    storm.await.unwrap();
    let grown = resident().saturating_sub(before);
    println!(
        "grew by {} KiB, worst tick {:?} late, {:?}, {:?}",
        grown / 1_024,
        lateness.await.unwrap(),
        called.load(),
        there.quality()
    );
    assert!(grown < 32 << 20, "{grown} bytes");
    let load = called.load();
    assert!(load.transactions <= 2 && load.remembered_answers < 20, "{load:?}");
    let audible = heard.received.iter().filter(|received| **received == Received::Audio).count();
    assert!(audible * 2 > heard.received.len(), "the call is heard: {audible} of {}", heard.received.len());
    // SIP works: the call ends, and another one begins.
    here.hang_up();
    assert_eq!(end(&mut there).await.0, LegEnd::RemoteHangup);
    let _another = connected(&caller, &called).await;
}

#[tokio::test]
async fn the_same_invite_on_two_ways_is_one_call() {
    let node = node().await;
    let caller = Party::new().await;
    let invite = || caller.request("INVITE", "merged", "", &description(9, "0"));
    caller.send(&invite(), node.local_addr()).await;
    let mut leg = incoming(&node).await.leg;
    caller.send(&invite(), node.local_addr()).await;
    assert_eq!(caller.answer().await.status(), Some(482));
    assert_eq!(node.dialogs(), 1);
    leg.hang_up();
    end(&mut leg).await;
    assert_eq!(caller.answer().await.status(), Some(480));
}

/// Reads from a stream until `end` is in it.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    while !text.contains(end) {
        let length = timeout(SOON, stream.read(&mut buffer)).await.expect("bytes in time").unwrap();
        assert!(length > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

/// Whether the far side closes the stream soon.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 65_536];
    timeout(SOON, async { while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {} })
        .await
        .is_ok()
}

#[tokio::test]
async fn a_message_may_come_over_tcp_in_any_pieces() {
    let node = node().await;
    let mut stream = TcpStream::connect(node.local_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = Party::new().await.request("OPTIONS", "pieces", "", "").replace("/UDP", "/TCP");
    for piece in request.as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("SIP/2.0 200"));
    let two = format!("{}{request}", request.replace("pieces", "more"));
    stream.write_all(two.as_bytes()).await.unwrap();
    let text = read_until(&mut stream, "Call-ID: pieces").await;
    assert_eq!(text.matches("SIP/2.0 200").count(), 2);
}

#[tokio::test]
async fn streams_that_trickle_or_bring_nothing_are_closed() {
    let mut config = config();
    config.inbound.limits.first_request = Duration::from_millis(600);
    let node = node_with(config).await;
    let mut silent = TcpStream::connect(node.local_addr()).await.unwrap();
    let (mut reading, mut trickling) = TcpStream::connect(node.local_addr()).await.unwrap().into_split();
    let drip = tokio::spawn(async move {
        for byte in b"INVITE sip:1@127.0.0.1 SIP/2.0\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a')) {
            if trickling.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(is_closed(&mut silent).await);
    let mut rest = [0; 16];
    let ended = timeout(SOON, reading.read(&mut rest)).await.expect("closed in time");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    timeout(SOON, drip).await.expect("its writes fail").unwrap();
}

#[tokio::test]
async fn a_stream_that_brought_a_call_stays_open() {
    let mut config = config();
    config.inbound.limits.first_request = Duration::from_millis(300);
    let node = node_with(config).await;
    let mut stream = TcpStream::connect(node.local_addr()).await.unwrap();
    let party = Party::new().await;
    let invite = party.request("INVITE", "stays", "", &description(9, "0")).replace("/UDP", "/TCP");
    stream.write_all(invite.as_bytes()).await.unwrap();
    let mut leg = incoming(&node).await.leg;
    sleep(Duration::from_millis(1_500)).await;
    leg.answer().await.unwrap();
    assert!(read_until(&mut stream, "200 OK").await.contains("180 Ringing"));
}

#[tokio::test]
async fn streams_are_few_and_strangers_get_none() {
    let mut config = open_to_the_carrier();
    config.inbound.limits.streams_per_source = 3;
    let node = node_with(config).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(TcpStream::connect(node.local_addr()).await.unwrap());
    }
    // The kernel hands over connections in the order in which they were made.
    let mut fourth = TcpStream::connect(node.local_addr()).await.unwrap();
    assert!(is_closed(&mut fourth).await);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((STRANGER.parse::<std::net::IpAddr>().unwrap(), 0).into()).unwrap();
    let mut stranger = socket.connect(node.local_addr()).await.unwrap();
    assert!(is_closed(&mut stranger).await);
    assert!(node.load().streams <= 3);
    open.pop();
    for _ in 0..100 {
        let mut again = TcpStream::connect(node.local_addr()).await.unwrap();
        let request = Party::new().await.request("OPTIONS", "room", "", "").replace("/UDP", "/TCP");
        again.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = [0; 64];
        if again.read(&mut buffer).await.is_ok_and(|length| length > 0) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("room never came back");
}

#[tokio::test]
async fn a_stream_that_floods_is_closed_and_nobody_else_waits() {
    let mut config = config();
    config.inbound.limits.messages_per_second = 50;
    let node = node_with(config).await;
    let mut stream = TcpStream::connect(node.local_addr()).await.unwrap();
    let cancel = Party::new().await.request("CANCEL", "flood", "", "").replace("/UDP", "/TCP");
    let flood = cancel.repeat(1_000);
    // It never reads what it is told; writing fails as soon as it is closed.
    let _ = timeout(SOON, stream.write_all(flood.as_bytes())).await.expect("not stuck");
    assert!(is_closed(&mut stream).await);
    let quiet = Party::at("127.0.0.1").await;
    sleep(Duration::from_millis(300)).await;
    quiet.send(&quiet.request("OPTIONS", "after", "", ""), node.local_addr()).await;
    assert_eq!(quiet.answer().await.status(), Some(200));
}

#[tokio::test]
async fn offers_of_no_use_are_refused_without_a_trace() {
    let node = node_with(open_to_the_carrier()).await;
    let carrier = Party::new().await;
    for n in 0..100 {
        let call = format!("leak-{n}");
        let invite = carrier.request("INVITE", &call, "", "v=0\r\nno audio\r\n");
        carrier.send(&invite, node.local_addr()).await;
        assert_eq!(carrier.answer().await.status(), Some(488));
    }
    let load = node.load();
    assert_eq!((load.dialogs, load.transactions, load.remembered_answers), (0, 0, 0));
}

#[tokio::test]
async fn an_unwanted_call_is_declined_and_says_nothing_of_us() {
    let (caller, called) = (node().await, node_with(open_to_the_carrier()).await);
    let mut leg = dial(&caller, called.local_addr()).await;
    until(&mut leg, &LegEvent::Ringing).await;
    drop(incoming(&called).await);
    assert_eq!(end(&mut leg).await.1, Some(480));
}
