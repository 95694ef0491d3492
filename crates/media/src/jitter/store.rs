//! Received samples on a time line, with gaps.

use std::collections::BTreeMap;

/// Samples kept at most: one second. Older ones make room.
const CAPACITY: i64 = 8_000;
/// Packets kept at most, however short they are.
const MAX_PACKETS: usize = 400;

#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    packets: BTreeMap<i64, Vec<i16>>,
}

impl Store {
    /// Keeps a packet; false if its place is taken.
    pub(super) fn insert(&mut self, position: i64, samples: &[i16]) -> bool {
        if self.packets.contains_key(&position) {
            return false;
        }
        self.packets.insert(position, samples.to_vec());
        self.make_room();
        true
    }

    /// Copies what lies at `position` into `frame`; true if nothing of it is missing.
    pub(super) fn copy(&self, position: i64, frame: &mut [i16]) -> bool {
        let end = position + length(frame);
        let mut filled = position;
        for (&start, samples) in self.packets.range(..end) {
            let from = filled.max(start);
            let to = end.min(start + length(samples));
            if from >= to || start > filled {
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

    /// Start of the first packet.
    pub(super) fn first(&self) -> Option<i64> {
        self.packets.keys().next().copied()
    }

    /// Start of the first packet that starts after `position`.
    pub(super) fn first_after(&self, position: i64) -> Option<i64> {
        self.packets.range(position + 1..).next().map(|(&start, _)| start)
    }

    /// End of the last packet.
    pub(super) fn end(&self) -> Option<i64> {
        self.packets.last_key_value().map(|(start, samples)| start + length(samples))
    }

    /// All samples kept.
    pub(super) fn samples(&self) -> i64 {
        self.packets.values().map(|samples| length(samples)).sum()
    }

    /// Drops packets that end at or before `position`.
    pub(super) fn forget_before(&mut self, position: i64) {
        while self.first_end().is_some_and(|end| end <= position) {
            self.packets.pop_first();
        }
    }

    fn first_end(&self) -> Option<i64> {
        self.packets.first_key_value().map(|(start, samples)| start + length(samples))
    }

    fn make_room(&mut self) {
        let end = self.end().unwrap_or(0);
        self.forget_before(end - CAPACITY);
        while self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
        }
    }
}

fn length(samples: &[i16]) -> i64 {
    i64::try_from(samples.len()).unwrap_or(0)
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}
