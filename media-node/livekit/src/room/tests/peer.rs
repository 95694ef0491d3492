//! Both connections against the server's half, in virtual time, over a line that a test may cut.

use super::sfu::Sfu;
use crate::room::audio::{Encoder, FRAME, Speaking};
use crate::room::peer::{Peer, PeerEvent, Target};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const OURS: [&str; 2] = ["192.0.2.1:1000", "192.0.2.1:1001"];
const THEIRS: [&str; 2] = ["192.0.2.2:2000", "192.0.2.2:2001"];

struct Line {
    now: Instant,
    peer: Peer,
    sfu: Sfu,
    cut: bool,
    events: Vec<PeerEvent>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn index(target: Target) -> usize {
    match target {
        Target::Publisher => 0,
        Target::Subscriber => 1,
    }
}

impl Line {
    fn new() -> Self {
        Self::to(false)
    }

    /// To a server that connects actively, or only answers (ICE lite).
    fn to(lite: bool) -> Self {
        let now = Instant::now();
        let peer = Peer::new(address(OURS[0]), address(OURS[1]), now).unwrap();
        let sfu = Sfu::new(address(THEIRS[0]), address(THEIRS[1]), lite, now);
        Self { now, peer, sfu, cut: false, events: Vec::new() }
    }

    /// Connects as a participant does: the server's offer first, ours next.
    fn connected() -> Self {
        Self::new().connect()
    }

    fn connect(self) -> Self {
        let mut line = self;
        line.subscribe(false, false);
        line.publish();
        line.until(|line| line.sfu.is_ready() && line.peer.is_connected() && line.peer.can_send_data());
        line
    }

    fn subscribe(&mut self, with_voice: bool, restart: bool) {
        let offer = self.sfu.offer(with_voice, restart, self.now);
        let answer = self.peer.take_offer(&offer, self.now).unwrap();
        self.sfu.take_answer(&answer, self.now);
    }

    fn publish(&mut self) -> Option<String> {
        let offer = self.peer.offer().unwrap()?;
        let answer = self.sfu.answer(&offer, self.now);
        self.peer.take_answer(&answer, self.now).unwrap();
        Some(offer)
    }

    /// Carries what waits on both sides; a cut line loses it.
    fn carry(&mut self) {
        loop {
            let mut carried = false;
            while let Some(datagram) = self.peer.poll_datagram() {
                carried = true;
                let from = address(OURS[index(datagram.from)]);
                if !self.cut {
                    self.sfu.receive(datagram.from, from, &datagram.contents, self.now);
                }
            }
            for (target, _, contents) in std::mem::take(&mut self.sfu.sent) {
                carried = true;
                let from = address(THEIRS[index(target)]);
                if !self.cut {
                    self.peer.receive(target, from, &contents, self.now).unwrap();
                }
            }
            self.events.extend(std::iter::from_fn(|| self.peer.poll_event()));
            if !carried {
                return;
            }
        }
    }

    fn step(&mut self, limit: Instant) {
        self.carry();
        let next = self.peer.deadline().min(self.sfu.deadline()).max(self.now + Duration::from_millis(1));
        self.now = next.min(limit);
        self.peer.tick(self.now).unwrap();
        self.sfu.tick(self.now);
        self.carry();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    fn until(&mut self, done: impl Fn(&mut Self) -> bool) {
        let limit = self.now + Duration::from_secs(10);
        while !done(self) {
            assert!(self.now < limit, "not within 10 s of virtual time:");
            self.step(limit);
        }
    }

    fn say(&mut self, speaking: &mut Speaking, frames: usize) {
        for _ in 0..frames {
            let spoken = speaking.packet(&[1_000; FRAME], self.now).unwrap();
            assert!(self.peer.speak(spoken, self.now).unwrap());
            self.pass(Duration::from_millis(20));
        }
    }

    fn voice_packets(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, PeerEvent::Audio(_))).count()
    }
}

fn voice() -> Speaking {
    Speaking::new(Encoder::new(), 65_000, u32::MAX - 5_000)
}

#[test]
fn our_first_offer_has_the_channels_and_a_later_one_the_track_under_its_name() {
    let mut line = Line::new();
    let first = line.publish().unwrap();
    assert!(first.contains("m=application") && !first.contains("m=audio"));
    assert_eq!(line.publish(), None, "nothing has changed");
    line.peer.publish("agent-voice");
    let second = line.publish().unwrap();
    let audio = &second[second.find("m=audio").unwrap()..];
    assert!(second.find("m=application").unwrap() < second.find("m=audio").unwrap());
    assert!(audio.contains("a=sendonly"));
    assert!(audio.contains("a=msid:agent-voice agent-voice"), "{audio}");
    assert!(audio.contains("a=ssrc:"), "the server wants to know it before the first packet");
    assert!(audio.contains("opus/48000/2") && !audio.contains("red/"), "{audio}");
}

#[test]
fn only_one_offer_waits_for_its_answer_and_the_next_has_all_that_was_wished_meanwhile() {
    let mut line = Line::new();
    let first = line.peer.offer().unwrap().unwrap();
    line.peer.publish("agent-voice");
    assert!(line.peer.is_negotiating());
    assert_eq!(line.peer.offer().unwrap(), None);
    let answer = line.sfu.answer(&first, line.now);
    line.peer.take_answer(&answer, line.now).unwrap();
    assert!(line.publish().unwrap().contains("m=audio"));
    assert!(line.peer.take_answer(&answer, line.now).is_ok(), "an answer nobody waits for is left aside");
}

#[test]
fn both_connections_come_up_and_our_voice_arrives_whole_and_in_order() {
    let mut line = Line::connected();
    line.peer.publish("agent-voice");
    line.publish().unwrap();
    line.pass(Duration::from_millis(100));
    line.say(&mut voice(), 100);
    let heard = &line.sfu.heard;
    assert_eq!(heard.len(), 100);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(960));
    }
}

#[test]
fn a_server_that_only_answers_is_connected_to_just_as_well() {
    for lite in [false, true] {
        let line = Line::to(lite);
        let begun = line.now;
        let line = line.connect();
        assert!(line.now - begun < Duration::from_secs(2), "{lite}: {:?}", line.now - begun);
    }
}

#[test]
fn without_a_track_or_a_connection_nothing_is_sent() {
    let mut line = Line::new();
    let mut speaking = voice();
    let spoken = speaking.packet(&[0; FRAME], line.now).unwrap();
    assert!(!line.peer.speak(spoken, line.now).unwrap());
    let mut line = Line::connected();
    let spoken = speaking.packet(&[0; FRAME], line.now).unwrap();
    assert!(!line.peer.speak(spoken, line.now).unwrap());
}

#[test]
fn the_callers_voice_comes_with_a_later_offer() {
    let mut line = Line::connected();
    line.subscribe(true, false);
    for _ in 0..50 {
        assert!(line.sfu.speak(&[0xf8, 1, 2, 3], line.now));
        line.pass(Duration::from_millis(20));
    }
    assert_eq!(line.voice_packets(), 50);
    let Some(PeerEvent::Audio(packet)) = line.events.first() else { panic!("{:?}", line.events.first()) };
    assert_eq!(packet.payload[..], [0xf8, 1, 2, 3]);
}

#[test]
fn messages_go_both_ways() {
    let mut line = Line::connected();
    assert!(line.peer.send_data(b"from us").unwrap());
    line.sfu.send(b"to us", line.now);
    line.pass(Duration::from_millis(200));
    assert_eq!(line.sfu.messages, [b"from us"]);
    assert!(line.events.iter().any(|event| matches!(event, PeerEvent::Data(data) if data == b"to us")));
}

#[test]
fn a_cut_line_is_noticed_and_new_paths_carry_the_voice_again() {
    let mut line = Line::connected();
    line.peer.publish("agent-voice");
    line.publish().unwrap();
    line.subscribe(true, false);
    let mut speaking = voice();
    line.say(&mut speaking, 10);
    line.pass(Duration::from_secs(10));
    let heard = line.peer.last_heard().unwrap();
    assert!(line.now - heard < Duration::from_secs(5), "an idle line is heard of, too");
    line.cut = true;
    line.pass(Duration::from_secs(6));
    assert!(line.now - line.peer.last_heard().unwrap() >= Duration::from_secs(5));
    line.cut = false;
    line.subscribe(false, true);
    line.peer.restart();
    let offer = line.publish().unwrap();
    assert!(offer.contains("m=audio"), "the track stays");
    line.until(|line| line.peer.is_connected());
    let before = line.sfu.heard.len();
    line.say(&mut speaking, 50);
    assert_eq!(line.sfu.heard.len() - before, 50);
    assert!(line.sfu.speak(&[0xf8, 1], line.now));
    line.pass(Duration::from_millis(20));
    assert_eq!(line.voice_packets(), 1);
}

#[test]
fn candidates_may_come_before_the_description_and_nonsense_is_left_aside() {
    let mut line = Line::new();
    for json in [
        r#"{"candidate":"candidate:1 1 udp 2130706431 192.0.2.2 2000 typ host","sdpMid":"0"}"#,
        r#"{"candidate":"candidate:1 1 tcp 2130706431 192.0.2.2 7881 typ host tcptype passive"}"#,
        r#"{"candidate":""}"#,
        r#"{"sdpMid":"0"}"#,
        "nonsense",
    ] {
        line.peer.take_candidate(Target::Publisher, json, line.now).unwrap();
        line.peer.take_candidate(Target::Subscriber, json, line.now).unwrap();
    }
    assert!(line.peer.take_offer("nonsense", line.now).is_err());
    line.peer.receive(Target::Publisher, address(THEIRS[0]), b"\xff\x00nonsense", line.now).unwrap();
    line.subscribe(false, false);
    line.publish();
    line.until(|line| line.peer.is_connected());
}
