//! How many inbound calls may wait for an answer at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts waiting calls, in all and by source.
#[derive(Debug)]
pub(super) struct Pending {
    counts: Mutex<Counts>,
    max: usize,
    max_per_source: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The place of one waiting call; dropping it makes room.
#[derive(Debug)]
pub(super) struct Slot {
    pending: Arc<Pending>,
    source: IpAddr,
}

impl Pending {
    pub(super) fn new(max: usize, max_per_source: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), max, max_per_source })
    }

    /// Whether there is a place for a call from `source` at the moment.
    pub(super) fn has_room(&self, source: IpAddr) -> bool {
        self.counts().have_room(source, self.max, self.max_per_source)
    }

    /// A place for a call from `source`, if there is one.
    pub(super) fn take(self: &Arc<Self>, source: IpAddr) -> Option<Slot> {
        let mut counts = self.counts();
        if !counts.have_room(source, self.max, self.max_per_source) {
            return None;
        }
        counts.all += 1;
        *counts.by_source.entry(source).or_default() += 1;
        Some(Slot { pending: self.clone(), source })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn have_room(&self, source: IpAddr, max: usize, max_per_source: usize) -> bool {
        let of_source = self.by_source.get(&source).copied().unwrap_or(0);
        self.all < max && of_source < max_per_source
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.pending.counts();
        counts.all = counts.all.saturating_sub(1);
        let left = counts.by_source.get(&self.source).copied().unwrap_or(1) - 1;
        if left == 0 {
            counts.by_source.remove(&self.source);
        } else {
            counts.by_source.insert(self.source, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_source_and_in_all_and_come_back() {
        let pending = Pending::new(3, 2);
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = pending.take(a).unwrap();
        let _second = pending.take(a).unwrap();
        assert!(pending.take(a).is_none(), "two of one source");
        let _third = pending.take(b).unwrap();
        assert!(pending.take(b).is_none(), "three in all");
        drop(first);
        assert!(pending.take(a).is_some());
    }
}
