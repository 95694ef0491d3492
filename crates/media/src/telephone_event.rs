//! Keys as RTP telephone-events (RFC 4733).
//!
//! Receiving is keyed on the RTP timestamp: all packets of one key press carry the timestamp of
//! its start, so a press is reported with the first of them that arrives, whichever it is, and
//! never again. Neither the marker nor the end packets need to survive. Gateways that move the
//! timestamp on with every packet are understood too.

use std::collections::VecDeque;

/// Bytes of one event.
pub const PAYLOAD: usize = 4;
/// Samples of a tick of the sender: 20 ms at 8 kHz.
const TICK_SAMPLES: u16 = 160;
/// How long a key sounds. Detectors need 40 ms (ITU-T Q.24); old ones like 100 ms.
const KEY_TICKS: u16 = 6;
/// Ticks from the end of a key to the next one. The end packet and its two repetitions are sent
/// in the first three of them.
const GAP_TICKS: u16 = 5;
/// How often the end is sent: RFC 4733 section 2.5.1.4.
const END_PACKETS: u16 = 3;
/// A `w` in a string of keys waits this long: 500 ms, as carriers and LiveKit read it.
const PAUSE_TICKS: u16 = 25;
/// −10 dBm0, the usual level of a key.
const VOLUME: u8 = 10;
/// Keys that may wait to be sent.
const MAX_QUEUED: usize = 256;
/// Key presses remembered, so that a reordered packet of an earlier one is not a new one.
const REMEMBERED: usize = 8;

/// The payload of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 0–9 are digits, 10 is `*`, 11 is `#`, 12–15 are `A`–`D`, 16 is flash.
    pub code: u8,
    /// The key has been released.
    pub end: bool,
    /// Attenuation below 0 dBm0, in dB.
    pub volume: u8,
    /// How long it has sounded, in samples.
    pub duration: u16,
}

impl Event {
    /// Reads a payload; `None` if it is too short. Further events in the payload are ignored.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, d0, d1] = *payload.first_chunk::<PAYLOAD>()?;
        Some(Self {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The payload.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; PAYLOAD] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.code, ((self.end as u8) << 7) | (self.volume & 0x3f), d0, d1]
    }
}

/// The key of an event code.
#[must_use]
pub fn key_of(code: u8) -> Option<char> {
    "0123456789*#ABCD".chars().nth(usize::from(code))
}

/// The event code of a key; `a`–`d` count as `A`–`D`.
#[must_use]
pub fn code_of(key: char) -> Option<u8> {
    let position = "0123456789*#ABCD".find(key.to_ascii_uppercase())?;
    u8::try_from(position).ok()
}

/// Turns packets into key presses, each reported once.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    seen: VecDeque<Press>,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    timestamp: u32,
    code: u8,
    ended: bool,
    duration: u16,
}

impl Receiver {
    /// Takes the payload of a telephone-event packet. Returns the key if this is the first
    /// packet of its press that arrived.
    pub fn receive(&mut self, timestamp: u32, payload: &[u8]) -> Option<char> {
        let event = Event::parse(payload)?;
        let key = key_of(event.code)?;
        if let Some(press) = self.seen.iter_mut().find(|press| press.timestamp == timestamp) {
            press.ended |= event.end;
            press.duration = press.duration.max(event.duration);
            return None;
        }
        let continues =
            self.continues_a_long_press(timestamp, event) || self.moves_its_timestamp(timestamp, event);
        self.remember(timestamp, event);
        if continues { None } else { Some(key) }
    }

    /// A press longer than the duration field can say goes on in a new segment, whose timestamp
    /// lies where the last segment ended (RFC 4733 section 2.5.1.3).
    fn continues_a_long_press(&self, timestamp: u32, event: Event) -> bool {
        const NEARLY_FULL: u16 = 0xff00;
        self.seen.back().is_some_and(|press| {
            let since = timestamp.wrapping_sub(press.timestamp);
            press.code == event.code
                && !press.ended
                && press.duration >= NEARLY_FULL
                && (u32::from(NEARLY_FULL)..=0xffff + 2 * u32::from(TICK_SAMPLES)).contains(&since)
        })
    }

    /// Against the standard, but seen: every packet of a press with a timestamp of its own. Two
    /// presses of one key lie further apart than that, because a press and a gap take 40 ms each.
    fn moves_its_timestamp(&self, timestamp: u32, event: Event) -> bool {
        const NEARBY: u32 = 3 * TICK_SAMPLES as u32;
        self.seen.back().is_some_and(|press| {
            let since = timestamp.wrapping_sub(press.timestamp);
            press.code == event.code && since <= NEARBY && (event.end || !press.ended)
        })
    }

    fn remember(&mut self, timestamp: u32, event: Event) {
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        let Event { code, end: ended, duration, .. } = event;
        self.seen.push_back(Press { timestamp, code, ended, duration });
    }
}

/// A packet the sender wants on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Its payload.
    pub event: Event,
    /// The first packet of a press.
    pub marker: bool,
    /// Timestamp of the press.
    pub timestamp: u32,
}

/// Plays a queue of keys, one packet a 20 ms tick.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    queue: VecDeque<Step>,
    playing: Option<Playing>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(u8),
    Pause,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    step: Step,
    timestamp: u32,
    tick: u16,
}

impl Sender {
    /// Queues keys; `w` and `,` are pauses of half a second, other characters are skipped.
    /// Returns how many were queued.
    pub fn push(&mut self, keys: &str) -> usize {
        let room = MAX_QUEUED.saturating_sub(self.queue.len());
        let before = self.queue.len();
        self.queue.extend(keys.chars().filter_map(step_of).take(room));
        self.queue.len() - before
    }

    /// Whether keys are being sent or wait: audio is not to be sent meanwhile.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.playing.is_some() || !self.queue.is_empty()
    }

    /// One 20 ms tick, at the stream's present timestamp. Returns the packet to send in place
    /// of audio, if any.
    pub fn tick(&mut self, timestamp: u32) -> Option<Outgoing> {
        let fresh = || self.queue.pop_front().map(|step| Playing { step, timestamp, tick: 0 });
        let mut playing = self.playing.take().or_else(fresh)?;
        let outgoing = playing.packet();
        playing.tick += 1;
        if playing.tick < playing.length() {
            self.playing = Some(playing);
        }
        outgoing
    }
}

impl Playing {
    const fn length(&self) -> u16 {
        match self.step {
            Step::Key(_) => KEY_TICKS + GAP_TICKS,
            Step::Pause => PAUSE_TICKS,
        }
    }

    fn packet(&self) -> Option<Outgoing> {
        let Step::Key(code) = self.step else { return None };
        if self.tick >= KEY_TICKS + END_PACKETS {
            return None;
        }
        let duration = TICK_SAMPLES * (self.tick + 1).min(KEY_TICKS);
        let event = Event { code, end: self.tick >= KEY_TICKS, volume: VOLUME, duration };
        Some(Outgoing { event, marker: self.tick == 0, timestamp: self.timestamp })
    }
}

fn step_of(key: char) -> Option<Step> {
    match key {
        'w' | 'W' | ',' => Some(Step::Pause),
        _ => code_of(key).map(Step::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn send(keys: &str) -> Vec<Outgoing> {
        let mut sender = Sender::default();
        sender.push(keys);
        let mut timestamp = 1_000;
        let mut packets = Vec::new();
        while sender.is_busy() {
            packets.extend(sender.tick(timestamp));
            timestamp += u32::from(TICK_SAMPLES);
        }
        packets
    }

    fn receive<'a>(packets: impl IntoIterator<Item = &'a Outgoing>) -> String {
        let mut receiver = Receiver::default();
        let heard = |packet: &Outgoing| receiver.receive(packet.timestamp, &packet.event.to_bytes());
        packets.into_iter().filter_map(heard).collect()
    }

    #[test]
    fn a_press_has_one_marker_growing_durations_and_three_ends() {
        let packets = send("5");
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 1);
        assert!(packets[0].marker);
        assert_eq!(packets.iter().filter(|packet| packet.event.end).count(), 3);
        let durations: Vec<u16> = packets.iter().map(|packet| packet.event.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 960, 960, 960, 960]);
        assert!(packets.iter().all(|packet| packet.timestamp == 1_000));
    }

    #[test]
    fn each_press_is_heard_once_even_the_same_key_twice() {
        assert_eq!(receive(&send("1123#*0aD")), "1123#*0AD");
    }

    #[test]
    fn a_press_survives_lost_ends_and_a_lost_marker() {
        let all = send("77");
        assert_eq!(receive(all.iter().filter(|packet| !packet.event.end)), "77");
        assert_eq!(receive(all.iter().filter(|packet| !packet.marker)), "77");
        assert_eq!(receive(all.iter().filter(|packet| packet.event.end)), "77");
    }

    #[test]
    fn duplicates_and_late_packets_are_not_new_presses() {
        let mut packets = send("12");
        packets.extend(packets.clone());
        assert_eq!(receive(&packets), "12");
    }

    #[test]
    fn a_key_held_for_ten_seconds_is_one_press() {
        let mut receiver = Receiver::default();
        let held = |duration| Event { code: 1, end: false, volume: 10, duration }.to_bytes();
        assert_eq!(receiver.receive(0, &held(160)), Some('1'));
        assert_eq!(receiver.receive(0, &held(0xffff)), None);
        assert_eq!(receiver.receive(0xffff, &held(160)), None);
    }

    #[test]
    fn a_gateway_that_moves_the_timestamp_with_every_packet_still_presses_once() {
        let mut receiver = Receiver::default();
        let mut heard = String::new();
        for (start, code) in [(0, 5), (2_000, 5), (4_000, 6)] {
            for n in 0..8_u32 {
                let duration = u16::try_from(160 * (n + 1)).unwrap();
                let event = Event { code, end: n >= 5, volume: 10, duration };
                heard.extend(receiver.receive(start + 160 * n, &event.to_bytes()));
            }
        }
        assert_eq!(heard, "556");
    }

    #[test]
    fn the_fastest_presses_of_one_key_are_told_apart_even_without_their_ends() {
        let mut receiver = Receiver::default();
        let press = |start: u32| {
            let event = |n: u32| Event { code: 1, end: false, volume: 10, duration: (160 * (n + 1)) as u16 };
            (0..2).map(move |n| (start, event(n).to_bytes()))
        };
        // 40 ms of key, 40 ms of pause.
        let packets = (0..6).flat_map(|n| press(n * 640));
        let heard: String = packets.filter_map(|(at, payload)| receiver.receive(at, &payload)).collect();
        assert_eq!(heard, "111111");
    }

    #[test]
    fn a_pause_is_half_a_second_of_no_packets() {
        let packets = send("1w2");
        let gap = packets.last().unwrap().timestamp - packets[0].timestamp;
        assert_eq!(gap, u32::from(TICK_SAMPLES * (KEY_TICKS + GAP_TICKS + PAUSE_TICKS)));
    }

    #[test]
    fn flash_and_unknown_codes_are_not_keys() {
        assert_eq!(Receiver::default().receive(1, &[16, 0, 0, 160]), None);
        assert_eq!(Receiver::default().receive(1, &[200, 0, 0, 160]), None);
    }

    proptest! {
        #[test]
        fn receiving_any_bytes_never_panics(packets in proptest::collection::vec(
            (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..8)), 0..50)) {
            let mut receiver = Receiver::default();
            for (timestamp, payload) in packets {
                receiver.receive(timestamp, &payload);
            }
        }

        #[test]
        fn any_single_loss_leaves_the_keys_intact(keys in "[0-9*#A-D]{1,12}", lost in any::<prop::sample::Index>()) {
            let mut packets = send(&keys);
            packets.remove(lost.index(packets.len()));
            prop_assert_eq!(receive(&packets), keys);
        }
    }
}
