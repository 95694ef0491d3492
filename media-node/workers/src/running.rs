//! The calls this node runs, and their leases.
//!
//! One statement renews them all. A call that does not come back belongs to somebody else now:
//! its session is told to stop.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use talkif_model::CallId;
use talkif_store::{Db, DbError, nodes};
use tokio_util::sync::CancellationToken;

/// How long a node may be silent before others take its calls.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How often leases are renewed: three chances for each.
pub(crate) const RENEWAL: Duration = Duration::from_secs(4);
/// [`LEASE`] as the statements take it.
pub(crate) const LEASE_MS: i64 = 15_000;

/// The calls of this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    calls: Arc<Mutex<HashMap<CallId, Held>>>,
}

#[derive(Debug, Clone)]
struct Held {
    token: i64,
    lost: CancellationToken,
}

impl Running {
    /// Enters a call; it leaves when the returned entry is dropped.
    pub(crate) fn enter(&self, call_id: CallId, token: i64) -> Entered {
        let lost = CancellationToken::new();
        let before = self.with(|calls| calls.insert(call_id, Held { token, lost: lost.clone() }));
        if let Some(before) = before {
            before.lost.cancel();
        }
        Entered { running: self.clone(), call_id, token, lost }
    }

    pub(crate) fn count(&self) -> usize {
        self.with(|calls| calls.len())
    }

    /// The calls that are run here, as statements take them.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.with(|calls| calls.keys().map(|id| id.sql()).collect())
    }

    /// Renews all leases and tells the sessions of lost calls to stop.
    ///
    /// # Errors
    /// If the database did not answer: nothing is lost then, yet.
    pub(crate) async fn renew(&self, db: &dyn Db) -> Result<(), DbError> {
        let held: Vec<(CallId, Held)> =
            self.with(|calls| calls.iter().map(|(id, held)| (*id, held.clone())).collect());
        if held.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = held.iter().map(|(id, _)| id.sql()).collect();
        let tokens: Vec<String> = held.iter().map(|(_, held)| held.token.to_string()).collect();
        let rows = db.query(&nodes::RENEW, vec![LEASE_MS.into(), ids.into(), tokens.into()]).await?;
        let renewed = rows.iter().map(|row| row.text("id")).collect::<Result<HashSet<_>, _>>()?;
        for (id, held) in held.iter().filter(|(id, _)| !renewed.contains(&id.sql())) {
            tracing::debug!(call = %id, "the lease is gone");
            held.lost.cancel();
        }
        Ok(())
    }

    /// No panic of ours leaves the map half changed, so a poisoned lock is as good as any.
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<CallId, Held>) -> T) -> T {
        change(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that is being run.
pub(crate) struct Entered {
    running: Running,
    call_id: CallId,
    token: i64,
    lost: CancellationToken,
}

impl Entered {
    /// Cancelled when the call's lease is gone.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.running.with(|calls| {
            // The same call may have been taken again under a newer token.
            if calls.get(&self.call_id).is_some_and(|held| held.token == self.token) {
                calls.remove(&self.call_id);
            }
        });
    }
}
