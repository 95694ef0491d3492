//! Shutdown in two steps: first no new work, then, when patience ends, none at all.

use std::future::Future;
use tokio_util::sync::CancellationToken;

/// Tells workers to take no new work and to return when theirs is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown(CancellationToken);

impl Shutdown {
    pub(crate) fn ask(&self) {
        self.0.cancel();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(crate) async fn asked(&self) {
        self.0.cancelled().await;
    }

    /// Runs `work` every `pause` until asked to stop.
    pub(crate) async fn every<W: Future<Output = ()>>(
        &self,
        pause: std::time::Duration,
        mut work: impl FnMut() -> W,
    ) {
        while !self.is_asked() {
            work().await;
            tokio::select! {
                () = self.asked() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
