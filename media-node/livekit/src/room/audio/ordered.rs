//! Opus packets in a jitter buffer: decoded when they are played, in their order, because a
//! decoder remembers what came before.

use super::opus::{Decoder, samples_of};
use std::collections::VecDeque;
use talkif_media::jitter::Content;

/// Samples in a unit of the jitter buffer's time line.
const SAMPLES_PER_UNIT: i64 = 6;
/// Time kept at most: one second. Older packets make room.
const CAPACITY: i64 = 8_000;
/// Packets kept at most, however short they are.
const MAX_PACKETS: usize = 400;
/// Buffers kept for further packets: what the deepest buffer of 20 ms packets needs.
const MAX_SPARE: usize = 16;

/// The packets of one stream, with its decoder.
#[derive(Default)]
pub(super) struct Ordered {
    /// By place, which is unique.
    packets: VecDeque<Placed>,
    spare: Vec<Vec<u8>>,
    decoder: Option<Decoder>,
    /// Decoded and not forgotten, beginning at `decoded_from`.
    decoded: VecDeque<i16>,
    decoded_from: i64,
}

struct Placed {
    start: i64,
    length: i64,
    packet: Vec<u8>,
}

impl Placed {
    fn end(&self) -> i64 {
        self.start + self.length
    }
}

impl Content for Ordered {
    type Packet = [u8];

    fn length(packet: &[u8]) -> i64 {
        samples_of(packet).map_or(0, units)
    }

    fn insert(&mut self, start: i64, packet: &[u8]) -> bool {
        let Err(at) = self.packets.binary_search_by_key(&start, |placed| placed.start) else {
            return false;
        };
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(packet);
        self.packets.insert(at, Placed { start, length: Self::length(packet), packet: buffer });
        self.make_room();
        true
    }

    fn copy(&mut self, position: i64, frame: &mut [i16]) -> bool {
        self.forget_decoded_before(position);
        let end = position + units(frame.len());
        while self.decoded_end().unwrap_or(position) < end {
            if !self.decode_at(self.decoded_end().unwrap_or(position)) {
                break;
            }
        }
        if self.decoded_from != position {
            return false;
        }
        frame.iter_mut().zip(&self.decoded).for_each(|(to, from)| *to = *from);
        self.decoded.len() >= frame.len()
    }

    fn first(&self) -> Option<i64> {
        if self.decoded.is_empty() {
            self.packets.front().map(|placed| placed.start)
        } else {
            Some(self.decoded_from)
        }
    }

    fn first_after(&self, position: i64) -> Option<i64> {
        self.packets.iter().map(|placed| placed.start).find(|start| *start > position)
    }

    fn end(&self) -> Option<i64> {
        self.packets.back().map(Placed::end).max(self.decoded_end())
    }

    fn kept(&self) -> i64 {
        self.packets.iter().map(|placed| placed.length).sum::<i64>() + units(self.decoded.len())
    }

    fn forget_before(&mut self, position: i64) {
        self.forget_decoded_before(position);
        while self.packets.front().is_some_and(|placed| placed.end() <= position) {
            self.drop_first();
        }
    }
}

impl Ordered {
    /// Fills a frame that is missing with what the decoder makes of its past.
    pub(super) fn conceal(&mut self, frame: &mut [i16]) -> bool {
        let made = self.decoder.as_mut().and_then(|decoder| decoder.conceal(frame.len()));
        made.map(|made| frame.iter_mut().zip(made).for_each(|(to, from)| *to = from)).is_some()
    }

    /// Decodes the packet that covers `position`, where what is decoded ends.
    fn decode_at(&mut self, position: i64) -> bool {
        while self.packets.front().is_some_and(|placed| placed.end() <= position) {
            self.drop_first();
        }
        let Some(placed) = self.packets.pop_front_if(|placed| placed.start <= position) else { return false };
        if self.decoder.is_none() {
            self.decoder = Decoder::new();
        }
        let skip = usize::try_from((position - placed.start) * SAMPLES_PER_UNIT).unwrap_or(0);
        if self.decoded.is_empty() {
            self.decoded_from = position;
        }
        let samples = self.decoder.as_mut().and_then(|decoder| decoder.decode(&placed.packet));
        let before = self.decoded.len();
        self.decoded.extend(samples.into_iter().flatten().skip(skip));
        let grew = self.decoded.len() > before;
        self.keep_spare(placed.packet);
        grew
    }

    fn decoded_end(&self) -> Option<i64> {
        (!self.decoded.is_empty()).then(|| self.decoded_from + units(self.decoded.len()))
    }

    fn forget_decoded_before(&mut self, position: i64) {
        let old = usize::try_from((position - self.decoded_from) * SAMPLES_PER_UNIT).unwrap_or(0);
        let old = old.min(self.decoded.len());
        self.decoded.drain(..old);
        self.decoded_from += units(old);
    }

    fn make_room(&mut self) {
        let end = self.end().unwrap_or(0);
        self.forget_before(end - CAPACITY);
        while self.packets.len() > MAX_PACKETS {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(placed) = self.packets.pop_front() {
            self.keep_spare(placed.packet);
        }
    }

    fn keep_spare(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// Samples on the jitter buffer's time line.
fn units(samples: usize) -> i64 {
    i64::try_from(samples).unwrap_or(0) / SAMPLES_PER_UNIT
}
