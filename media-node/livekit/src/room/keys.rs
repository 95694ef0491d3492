//! Keys as LiveKit carries them: one reliable data message for each.

use livekit_protocol::data_packet::Value;
use livekit_protocol::{DataPacket, SipDtmf};
use prost::Message;
use std::collections::{HashMap, VecDeque};

/// Keys that wait for the channel to open.
const MAX_WAITING: usize = 64;
/// Senders whose sequence numbers are remembered.
const MAX_SENDERS: usize = 16;

/// Keys on their way to the person.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<char>,
    sequence: u32,
}

impl Outgoing {
    /// Queues keys; returns how many of them are none, or do not fit.
    pub(super) fn push(&mut self, keys: &str) -> usize {
        let mut left_out = 0;
        for key in keys.chars() {
            if code(key).is_some() && self.waiting.len() < MAX_WAITING {
                self.waiting.push_back(key);
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// The next message, from the participant `own_sid` to the participant `person`.
    pub(super) fn pop(&mut self, own_sid: &str, person: &str) -> Option<Vec<u8>> {
        let key = self.waiting.pop_front()?;
        self.sequence += 1;
        // An uppercase letter would take its time on the line and be silent.
        let digit = key.to_ascii_lowercase().to_string();
        let packet = DataPacket {
            destination_identities: vec![person.to_owned()],
            sequence: self.sequence,
            participant_sid: own_sid.to_owned(),
            value: Some(Value::SipDtmf(SipDtmf { code: code(key)?, digit })),
            ..DataPacket::default()
        };
        Some(packet.encode_to_vec())
    }
}

/// Keys that the person presses.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    last: HashMap<String, u32>,
}

impl Incoming {
    /// The key in a message from `person`, if it holds one and is no repetition.
    pub(super) fn take(&mut self, message: &[u8], person: &str) -> Option<char> {
        let packet = DataPacket::decode(message).ok()?;
        let Some(Value::SipDtmf(dtmf)) = packet.value else { return None };
        if packet.participant_identity != person || !self.is_new(packet.participant_sid, packet.sequence) {
            return None;
        }
        let key = dtmf.digit.chars().next()?.to_ascii_uppercase();
        code(key).map(|_| key)
    }

    /// Resumed sessions repeat what may have been lost.
    fn is_new(&mut self, sender: String, sequence: u32) -> bool {
        if sequence == 0 {
            return true;
        }
        if self.last.len() >= MAX_SENDERS && !self.last.contains_key(&sender) {
            self.last.clear();
        }
        let last = self.last.entry(sender).or_default();
        let is_new = sequence > *last;
        *last = sequence.max(*last);
        is_new
    }
}

/// The event code of RFC 4733.
fn code(key: char) -> Option<u32> {
    match key.to_ascii_lowercase() {
        '*' => Some(10),
        '#' => Some(11),
        letter @ 'a'..='d' => Some(12 + u32::from(letter) - u32::from('a')),
        digit => digit.to_digit(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(keys: &str) -> Vec<DataPacket> {
        let mut outgoing = Outgoing::default();
        outgoing.push(keys);
        let messages = std::iter::from_fn(|| outgoing.pop("PA_agent", "person"));
        messages.map(|message| DataPacket::decode(&message[..]).unwrap()).collect()
    }

    fn from_person(digit: &str, sequence: u32) -> Vec<u8> {
        let packet = DataPacket {
            participant_identity: "person".to_owned(),
            participant_sid: "PA_person".to_owned(),
            sequence,
            value: Some(Value::SipDtmf(SipDtmf { code: 0, digit: digit.to_owned() })),
            ..DataPacket::default()
        };
        packet.encode_to_vec()
    }

    #[test]
    fn keys_go_one_by_one_in_lowercase_with_their_codes_to_the_person_alone() {
        let packets = sent("1*#D x");
        let keys: Vec<(u32, String)> = packets
            .iter()
            .map(|packet| match &packet.value {
                Some(Value::SipDtmf(dtmf)) => (dtmf.code, dtmf.digit.clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [(1, "1"), (10, "*"), (11, "#"), (15, "d")];
        assert_eq!(keys, expected.map(|(code, digit)| (code, digit.to_owned())));
        assert!(packets.iter().all(|packet| packet.destination_identities == ["person"]));
        assert_eq!(packets.iter().map(|packet| packet.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_key_or_too_much_is_left_out() {
        assert_eq!(Outgoing::default().push("1 x2"), 2);
        assert_eq!(Outgoing::default().push(&"1".repeat(70)), 6);
    }

    #[test]
    fn a_pressed_key_is_heard_once_even_if_its_message_is_repeated() {
        let mut incoming = Incoming::default();
        let take = |incoming: &mut Incoming, message: Vec<u8>| incoming.take(&message, "person");
        assert_eq!(take(&mut incoming, from_person("d", 1)), Some('D'));
        assert_eq!(take(&mut incoming, from_person("d", 1)), None);
        assert_eq!(take(&mut incoming, from_person("5", 2)), Some('5'));
        assert_eq!(take(&mut incoming, from_person("5", 0)), Some('5'));
        assert_eq!(incoming.take(&from_person("5", 3), "somebody"), None);
        assert_eq!(take(&mut incoming, from_person("?", 3)), None);
        assert_eq!(incoming.take(b"\xff\xff", "person"), None);
    }
}
