//! The rooms in which this node has a leg, and how many more it may have.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The legs of this node.
#[derive(Debug, Clone)]
pub(crate) struct Legs {
    rooms: Arc<Mutex<HashSet<String>>>,
    slots: usize,
}

impl Legs {
    pub(crate) fn new(slots: usize) -> Self {
        Self { rooms: Arc::default(), slots: slots.max(1) }
    }

    /// Enters a room; it leaves when the returned seat is dropped.
    pub(crate) fn enter(&self, room: &str) -> Seat {
        self.with(|rooms| rooms.insert(room.to_owned()));
        Seat { legs: self.clone(), room: room.to_owned() }
    }

    /// Enters a room if it is new and there is a free slot.
    pub(crate) fn try_enter(&self, room: &str) -> Option<Seat> {
        let entered = self.with(|rooms| rooms.len() < self.slots && rooms.insert(room.to_owned()));
        entered.then(|| Seat { legs: self.clone(), room: room.to_owned() })
    }

    pub(crate) fn contains(&self, room: &str) -> bool {
        self.with(|rooms| rooms.contains(room))
    }

    pub(crate) fn count(&self) -> usize {
        self.with(|rooms| rooms.len())
    }

    /// From 0, idle, to 1, full.
    #[expect(clippy::cast_precision_loss, reason = "a share, of at most thousands")]
    pub(crate) fn load(&self) -> f32 {
        (self.count() as f32 / self.slots as f32).min(1.0)
    }

    /// No panic of ours leaves the set half changed, so a poisoned lock is as good as any.
    fn with<T>(&self, change: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        change(&mut self.rooms.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A leg's place in [`Legs`].
#[derive(Debug)]
pub(crate) struct Seat {
    legs: Legs,
    room: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.legs.with(|rooms| rooms.remove(&self.room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_node_takes_no_more_until_a_leg_ends() {
        let legs = Legs::new(1);
        let seat = legs.try_enter("a").unwrap();
        assert!(legs.try_enter("b").is_none());
        assert!((legs.load() - 1.0).abs() < f32::EPSILON);
        drop(seat);
        assert_eq!((legs.count(), legs.contains("a")), (0, false));
        assert!(legs.try_enter("b").is_some());
    }

    #[test]
    fn nobody_sits_in_one_room_twice() {
        let legs = Legs::new(5);
        let _seat = legs.try_enter("a").unwrap();
        assert!(legs.try_enter("a").is_none());
    }
}
