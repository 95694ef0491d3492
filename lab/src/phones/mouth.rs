//! What a phone sends: words, beeps and keys to packets, one every 20 ms.

use crate::speech::{Voice, encode_text};
use std::collections::VecDeque;
use std::f64::consts::TAU;
use talkif_media::rtp::Stamper;
use talkif_media::sdp::Agreed;
use talkif_media::telephone_event::Sender;
use talkif_media::{TELEPHONE_FRAME, TELEPHONE_RATE};

const BEEP_HZ: f64 = 1000.0;
const BEEP_MS: u32 = 400;
const BEEP_LEVEL: f64 = 6000.0;

pub(super) struct Mouth {
    agreed: Agreed,
    stamper: Stamper,
    keys: Sender,
    queue: VecDeque<i16>,
    started: bool,
}

impl Mouth {
    pub(super) fn new(agreed: Agreed) -> Self {
        let stamper = Stamper::new(rand::random(), rand::random(), rand::random());
        Self { agreed, stamper, keys: Sender::default(), queue: VecDeque::new(), started: false }
    }

    /// Queues a text; returns when it starts and ends, in milliseconds from now.
    pub(super) fn say(&mut self, text: &str) -> (u64, u64) {
        let start = self.queued_ms();
        for word in encode_text(text, TELEPHONE_RATE, Voice::Caller) {
            self.queue.extend(word.samples);
        }
        (start, self.queued_ms())
    }

    pub(super) fn beep(&mut self) {
        let step = TAU * BEEP_HZ / f64::from(TELEPHONE_RATE);
        let length = TELEPHONE_RATE * BEEP_MS / 1000;
        self.queue.extend((0..length).map(|n| ((step * f64::from(n)).sin() * BEEP_LEVEL) as i16));
    }

    pub(super) fn press(&mut self, keys: &str) {
        self.keys.push(keys);
    }

    pub(super) fn is_speaking(&self) -> bool {
        !self.queue.is_empty() || self.keys.is_busy()
    }

    fn queued_ms(&self) -> u64 {
        self.queue.len() as u64 * 1000 / u64::from(TELEPHONE_RATE)
    }

    /// The packet of this 20 ms. Keys take the place of audio, which waits.
    pub(super) fn tick(&mut self) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(TELEPHONE_FRAME + 12);
        let key = self.agreed.telephone_event.and_then(|event_type| {
            self.keys.tick(self.stamper.timestamp()).map(|outgoing| (event_type, outgoing))
        });
        match key {
            Some((event_type, outgoing)) => {
                let header = self.stamper.stamp_at(event_type, outgoing.marker, outgoing.timestamp);
                header.write(&outgoing.event.to_bytes(), &mut datagram);
            }
            None => self.audio(&mut datagram),
        }
        self.stamper.advance(TELEPHONE_FRAME as u32);
        datagram
    }

    fn audio(&mut self, datagram: &mut Vec<u8>) {
        let law = self.agreed.codec;
        let ready = self.queue.len().min(TELEPHONE_FRAME);
        let mut codes: Vec<u8> = self.queue.drain(..ready).map(|sample| law.encode(sample)).collect();
        codes.resize(TELEPHONE_FRAME, law.silence());
        let marker = !std::mem::replace(&mut self.started, true);
        self.stamper.stamp(law.payload_type(), marker).write(&codes, datagram);
    }
}
