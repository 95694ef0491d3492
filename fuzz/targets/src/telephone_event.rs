//! Keys over RTP: what anybody may send, and our own over a line that loses packets.

use crate::bytes::Bytes;
use talkif_media::telephone_event::{Event, PAYLOAD, Receiver, Sender, code_of};

/// Packets of a key press: six while it sounds, three at its end.
const PACKETS_OF_A_PRESS: usize = 9;
/// Keys of one input: a press takes eleven ticks.
const MAX_KEYS: usize = 64;

/// The first byte chooses: packets as they are, or our own keys with losses.
///
/// # Panics
/// If a packet is read as a key there is none of, or a key of ours is lost or doubled though one
/// of its packets arrives.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    if bytes.byte().is_multiple_of(2) { packets(&mut bytes) } else { keys(&mut bytes) }
}

fn packets(bytes: &mut Bytes<'_>) {
    let mut receiver = Receiver::default();
    let mut timestamp = bytes.word();
    while !bytes.is_empty() {
        timestamp = timestamp.wrapping_add(u32::from(bytes.short()));
        let payload = bytes.take(PAYLOAD);
        let event = Event::parse(payload);
        assert_eq!(event.is_some(), payload.len() == PAYLOAD);
        let again = event.and_then(|event| Event::parse(&event.to_bytes()));
        assert_eq!(again, event);
        let key = receiver.receive(timestamp, payload);
        assert_eq!(key.and_then(code_of), key.and(event.map(|event| event.code)));
        assert_eq!(receiver.receive(timestamp, payload), None, "a packet that comes twice");
    }
}

/// Every press loses all packets but one at least: `keep (2 bytes)` says which.
fn keys(bytes: &mut Bytes<'_>) {
    let mut timestamp = bytes.word();
    let wanted = String::from_utf8_lossy(bytes.take(MAX_KEYS));
    let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
    let queued = sender.push(&wanted);
    let expected: Vec<char> = wanted.chars().filter(|key| code_of(*key).is_some()).collect();
    assert!(queued >= expected.len());
    let (mut heard, mut keep, mut packet) = (Vec::new(), 0, 0);
    while sender.is_busy() {
        if let Some(outgoing) = sender.tick(timestamp) {
            if outgoing.marker {
                (keep, packet) = (usize::from(bytes.short()), 0);
            }
            let sure = packet == keep % PACKETS_OF_A_PRESS;
            if sure || keep >> packet & 1 == 1 {
                heard.extend(receiver.receive(outgoing.timestamp, &outgoing.event.to_bytes()));
            }
            packet += 1;
        }
        timestamp = timestamp.wrapping_add(160);
    }
    let expected: Vec<char> = expected.into_iter().map(|key| key.to_ascii_uppercase()).collect();
    assert_eq!(heard, expected);
}
