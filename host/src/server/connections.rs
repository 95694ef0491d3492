//! The connections there are, and which of them may go when there are too many.
//!
//! A connection without a request in progress costs its client nothing to keep open, so clients
//! who keep many could lock everybody else out. Where the limit is reached, the one that has been
//! idle longest is closed for each new one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long to wait before looking for an idle connection again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// All connections.
pub(super) struct Connections {
    slots: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

/// Those without a request in progress, the longest idle first.
#[derive(Default)]
struct Idle {
    next: u64,
    by_age: BTreeMap<u64, CancellationToken>,
}

/// One connection. Dropped with it.
pub(super) struct Place {
    connections: Arc<Connections>,
    closed: CancellationToken,
    in_use: Mutex<Use>,
    _slot: OwnedSemaphorePermit,
}

/// What a connection is doing.
#[derive(Default)]
struct Use {
    /// Requests in progress: two where one begins while the last of another is handed over.
    requests: u32,
    /// When the first of them began.
    since: Option<Instant>,
    /// Where it stands among the idle ones.
    idle_at: Option<u64>,
}

/// A request in progress, until its response has been handed over.
pub(super) struct Busy(Arc<Place>);

impl Connections {
    /// Room for `most` connections.
    pub(super) fn new(most: usize) -> Arc<Connections> {
        Arc::new(Connections { slots: Arc::new(Semaphore::new(most)), idle: Mutex::default() })
    }

    /// A place for a new connection, if need be that of the one that has been idle longest.
    pub(super) async fn place(self: &Arc<Self>) -> Arc<Place> {
        loop {
            if self.slots.available_permits() == 0 {
                self.close_oldest();
            }
            let slot = tokio::time::timeout(LOOK_AGAIN, Arc::clone(&self.slots).acquire_owned()).await;
            let Ok(Ok(slot)) = slot else { continue };
            let closed = CancellationToken::new();
            let place =
                Place { connections: Arc::clone(self), closed, in_use: Mutex::default(), _slot: slot };
            place.park(&mut place.in_use());
            return Arc::new(place);
        }
    }

    fn close_oldest(&self) {
        if let Some((_, closed)) = self.idle().by_age.pop_first() {
            closed.cancel();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Completes when the connection has to make room for another.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Completes when a request has been in progress for longer than `limit`: its client does not
    /// read the response, which holds a place in flight.
    pub(super) async fn overdue(&self, limit: Duration) {
        while self.in_use().since.is_none_or(|since| since.elapsed() < limit) {
            tokio::time::sleep(limit / 4).await;
        }
    }

    /// A request has begun.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        let mut in_use = self.in_use();
        in_use.requests += 1;
        in_use.since.get_or_insert_with(Instant::now);
        self.unpark(&mut in_use);
        drop(in_use);
        Busy(Arc::clone(self))
    }

    fn finished(&self) {
        let mut in_use = self.in_use();
        in_use.requests -= 1;
        if in_use.requests == 0 {
            in_use.since = None;
            self.park(&mut in_use);
        }
    }

    fn park(&self, in_use: &mut Use) {
        let mut idle = self.connections.idle();
        idle.next += 1;
        let at = idle.next;
        idle.by_age.insert(at, self.closed.clone());
        in_use.idle_at = Some(at);
    }

    fn unpark(&self, in_use: &mut Use) {
        if let Some(at) = in_use.idle_at.take() {
            self.connections.idle().by_age.remove(&at);
        }
    }

    fn in_use(&self) -> MutexGuard<'_, Use> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut in_use = std::mem::take(&mut *self.in_use());
        self.unpark(&mut in_use);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finished();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_connection_makes_room() {
        let connections = Connections::new(3);
        let (a, b, c) = (connections.place().await, connections.place().await, connections.place().await);
        // `a` is the oldest, but has been used since; `b` is at work.
        let first = a.busy();
        let second = a.busy();
        drop(first);
        drop(second);
        let _work = b.busy();
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.place().await }
        });
        c.closed().await;
        assert!(!a.closed.is_cancelled() && !b.closed.is_cancelled());
        drop(c);
        drop(waiting.await.unwrap());
    }
}
