//! The rooms of a node, as far as they end with it.

use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls that are hung up at the end get this long for their last word: a leg waits 4 s for its
/// person to go, and then the room is deleted.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// What goes on in all rooms. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Rooms {
    /// Hangs up in all rooms, also in those that are being entered, and returns when they are
    /// free, after 6 s at the latest.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        if timeout(LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::warn!(rooms = self.tasks.len(), "rooms were left to the sweep of another node");
        }
    }

    /// Whether all hang up.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Returns when all are to hang up.
    pub(super) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Work that [`Self::close`] waits for.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }
}
