//! Received samples on a time line, with gaps.
//!
//! Buffers of packets that were played are used again, so that a steady stream allocates nothing.

use super::Content;
use std::collections::VecDeque;

/// Samples kept at most: one second. Older ones make room.
const CAPACITY: i64 = 8_000;
/// Packets kept at most, however short they are.
const MAX_PACKETS: usize = 400;
/// Buffers kept for further packets: what the deepest buffer of 20 ms packets needs.
const MAX_SPARE: usize = 16;

/// A packet's place on the line and its samples.
type Placed = (i64, Vec<i16>);

/// Decoded telephone audio.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// By place, which is unique.
    packets: VecDeque<Placed>,
    spare: Vec<Vec<i16>>,
}

impl Content for Samples {
    type Packet = [i16];

    fn length(packet: &[i16]) -> i64 {
        length(packet)
    }

    fn insert(&mut self, position: i64, samples: &[i16]) -> bool {
        let Err(at) = self.packets.binary_search_by_key(&position, |(start, _)| *start) else {
            return false;
        };
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(samples);
        self.packets.insert(at, (position, buffer));
        self.make_room();
        true
    }

    fn copy(&mut self, position: i64, frame: &mut [i16]) -> bool {
        let end = position + length(frame);
        let mut filled = position;
        for (start, samples) in self.packets.iter().take_while(|(start, _)| *start < end) {
            let from = filled.max(*start);
            let to = end.min(start + length(samples));
            if from >= to || *start > filled {
                continue;
            }
            let source = samples.get(index(from - start)..index(to - start));
            let target = frame.get_mut(index(from - position)..index(to - position));
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
            filled = to;
        }
        filled >= end
    }

    fn first(&self) -> Option<i64> {
        self.packets.front().map(|(start, _)| *start)
    }

    fn first_after(&self, position: i64) -> Option<i64> {
        self.packets.iter().map(|(start, _)| *start).find(|start| *start > position)
    }

    fn end(&self) -> Option<i64> {
        self.packets.back().map(end_of)
    }

    fn kept(&self) -> i64 {
        self.packets.iter().map(|(_, samples)| length(samples)).sum()
    }

    fn forget_before(&mut self, position: i64) {
        while self.packets.front().is_some_and(|packet| end_of(packet) <= position) {
            self.drop_first();
        }
    }
}

impl Samples {
    fn make_room(&mut self) {
        let end = self.end().unwrap_or(0);
        self.forget_before(end - CAPACITY);
        while self.packets.len() > MAX_PACKETS {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, mut buffer)) = self.packets.pop_front()
            && self.spare.len() < MAX_SPARE
        {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

fn end_of((start, samples): &Placed) -> i64 {
    start + length(samples)
}

fn length(samples: &[i16]) -> i64 {
    i64::try_from(samples.len()).unwrap_or(0)
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}
