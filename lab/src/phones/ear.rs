//! What a phone hears: packets to words and keys.
//!
//! Packets are taken as they come. A gap in the sequence is filled by the last frame, fading, so
//! that the decoder's time stays the sender's; what arrives after its gap was filled is too late.

use super::log::Packets;
use crate::speech::{Decoder, Heard, UnsupportedRate};
use talkif_media::g711::Law;
use talkif_media::rtp::{NotRtp, Packet, sequence_distance, timestamp_distance};
use talkif_media::{TELEPHONE_FRAME, TELEPHONE_RATE, telephone_event};

/// Lost packets concealed at most; a longer gap is silence.
const MOST_CONCEALED: i16 = 5;
/// The longest jump of the timestamp that counts as silence of the sender.
const LONGEST_PAUSE: i32 = 10 * TELEPHONE_RATE as i32;
/// Root mean square of a frame with speech in it: −45 dBFS.
const LOUD: f64 = 184.0;

#[derive(Debug)]
pub(super) struct Ear {
    decoder: Decoder,
    event_type: Option<u8>,
    keys: telephone_event::Receiver,
    last: Option<Last>,
    heard_samples: u64,
    pub(super) packets: Packets,
}

#[derive(Debug)]
struct Last {
    sequence: u16,
    /// Timestamp at which the next frame is due.
    due: u32,
    frame: Vec<i16>,
}

/// What one packet brought.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) words: Vec<Heard>,
    pub(super) key: Option<char>,
    pub(super) loud: bool,
}

impl Ear {
    pub(super) fn new(event_type: Option<u8>) -> Result<Self, UnsupportedRate> {
        Ok(Self {
            decoder: Decoder::new(TELEPHONE_RATE)?,
            event_type,
            keys: telephone_event::Receiver::default(),
            last: None,
            heard_samples: 0,
            packets: Packets::default(),
        })
    }

    /// Milliseconds of sound heard so far: the time base of the words.
    pub(super) fn heard_ms(&self) -> u64 {
        self.heard_samples * 1000 / u64::from(TELEPHONE_RATE)
    }

    pub(super) fn take(&mut self, datagram: &[u8]) -> Result<News, NotRtp> {
        let Packet { header, payload } = Packet::parse(datagram)?;
        let mut news = News::default();
        let ahead = self.last.as_ref().map_or(1, |last| sequence_distance(last.sequence, header.sequence));
        if ahead <= 0 {
            return Ok(news);
        }
        self.packets.received += 1;
        self.packets.lost += u64::from(ahead.unsigned_abs()) - 1;
        if Some(header.payload_type) == self.event_type {
            news.key = self.keys.receive(header.timestamp, payload);
            if let Some(last) = &mut self.last {
                last.sequence = header.sequence;
            }
            return Ok(news);
        }
        let Some(law) = Law::of_payload_type(header.payload_type) else { return Ok(news) };
        news.words.extend(self.fill(ahead, header.timestamp));
        let frame: Vec<i16> = payload.iter().map(|code| law.decode(*code)).collect();
        news.loud = is_loud(&frame);
        news.words.extend(self.listen(&frame));
        let due = header.timestamp.wrapping_add(u32::try_from(frame.len()).unwrap_or_default());
        self.last = Some(Last { sequence: header.sequence, due, frame });
        Ok(news)
    }

    /// Conceals what was lost before a packet, and waits through what was not sent.
    fn fill(&mut self, ahead: i16, timestamp: u32) -> Vec<Heard> {
        let Some(mut last) = self.last.take() else { return Vec::new() };
        let mut words = Vec::new();
        for _ in 1..ahead.min(MOST_CONCEALED + 1) {
            last.frame.iter_mut().for_each(|sample| *sample = (f32::from(*sample) * 0.7) as i16);
            last.due = last.due.wrapping_add(TELEPHONE_FRAME as u32);
            words.extend(self.listen(&last.frame));
        }
        let pause = timestamp_distance(last.due, timestamp);
        if (1..=LONGEST_PAUSE).contains(&pause) {
            words.extend(self.listen(&vec![0; pause.unsigned_abs() as usize]));
        }
        words
    }

    fn listen(&mut self, frame: &[i16]) -> Vec<Heard> {
        self.heard_samples += frame.len() as u64;
        self.decoder.push(frame)
    }
}

fn is_loud(frame: &[i16]) -> bool {
    let power = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    power > LOUD * LOUD * frame.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{Voice, encode_text};
    use talkif_media::rtp::Stamper;

    fn packets(text: &str) -> Vec<Vec<u8>> {
        let mut samples: Vec<i16> =
            encode_text(text, 8000, Voice::Agent).into_iter().flat_map(|word| word.samples).collect();
        samples.resize(samples.len().next_multiple_of(160) + 1600, 0);
        let mut stamper = Stamper::new(1, u16::MAX - 3, u32::MAX - 1000);
        let packet = |frame: &[i16]| {
            let mut datagram = Vec::new();
            let codes: Vec<u8> = frame.iter().map(|sample| Law::A.encode(*sample)).collect();
            stamper.stamp(8, false).write(&codes, &mut datagram);
            stamper.advance(160);
            datagram
        };
        samples.chunks(160).map(packet).collect()
    }

    fn heard(packets: &[Vec<u8>]) -> (Vec<String>, Packets) {
        let mut ear = Ear::new(Some(101)).unwrap();
        let words = packets.iter().flat_map(|packet| ear.take(packet).unwrap().words);
        (words.map(|heard| heard.word).collect(), ear.packets)
    }

    #[test]
    fn packets_become_words() {
        let (words, packets) = heard(&packets("hello there Ece"));
        assert_eq!(words, ["hello", "there", "Ece"]);
        assert_eq!(packets.lost, 0);
    }

    #[test]
    fn a_lost_packet_is_counted_and_concealed() {
        let mut packets = packets("hello there Ece");
        packets.remove(20);
        packets.remove(8);
        let (words, counted) = heard(&packets);
        assert_eq!(words, ["hello", "there", "Ece"]);
        assert_eq!(counted.lost, 2);
    }

    #[test]
    fn a_pause_of_the_sender_is_silence() {
        let mut packets = packets("hello there");
        let words: Vec<Vec<u8>> = packets.drain(..packets.len() - 10).collect();
        let mut ear = Ear::new(None).unwrap();
        for packet in &words {
            ear.take(packet).unwrap();
        }
        let before = ear.heard_ms();
        let mut late = packets.pop().unwrap();
        let mut previous = words.last().unwrap()[2..4].to_vec();
        let next = u16::from_be_bytes([previous.remove(0), previous.remove(0)]).wrapping_add(1);
        late[2..4].copy_from_slice(&next.to_be_bytes());
        ear.take(&late).unwrap();
        assert_eq!(ear.heard_ms() - before, 200);
    }
}
