//! The janitor: puts right what crashes and time leave behind. Every node has one; what they do
//! is claimed row by row, so that any number of them may run.
//!
//! To add a duty: a statement in `talkif_store::janitor` and a line in [`Janitor::round`].

use crate::context::CallContext;
use crate::journal::{End, Journal, JournalSetup};
use crate::recordings::Recordings;
use crate::running::{LEASE_MS, RENEWAL, Running};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{AccountId, CallId, CallStatus, EndReason};
use talkif_store::{DbError, Param, Row, Statement, janitor};

/// How often the janitor walks.
const ROUND: Duration = Duration::from_secs(5);
/// Every node that lives has renewed its leases by then.
const SETTLING: Duration = RENEWAL.saturating_mul(2);
/// How often the object store is searched for what no call knows.
const SEARCH: Duration = Duration::from_secs(3_600);
/// Beyond the end of a lease, before a call counts as orphaned.
const ORPHAN_GRACE_MS: i64 = 5_000;
/// Files that one statement asks about.
const LEFTOVERS: usize = 500;
/// Beyond a flow's own limits, before a call counts as stuck.
const STUCK_GRACE_MS: i64 = 300_000;

/// What a janitor needs.
pub(crate) struct Janitor {
    pub(crate) journal: JournalSetup,
    pub(crate) recordings: Arc<dyn Recordings>,
    /// Who takes what is ended.
    pub(crate) owner: String,
    /// What runs here is not orphaned, however old its lease: after an outage of the database
    /// the janitor may wake before the renewal. What we leased and no longer run is.
    pub(crate) running: Running,
}

impl Janitor {
    /// Walks until shut down.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let rounds = async {
            tokio::select! {
                () = shutdown.asked() => {}
                () = self.walk(&shutdown) => {}
            }
        };
        let searches = shutdown.every(SEARCH, || async {
            if let Err(error) = self.delete_leftovers().await {
                tracing::warn!(%error, "the object store was not searched");
            }
        });
        tokio::join!(rounds, searches);
    }

    /// After an outage of the database all leases look expired. So whenever the janitor cannot
    /// say that there was none, it first leaves the nodes the time to renew theirs: when it
    /// starts, and from the database's first answer after it gave none.
    async fn walk(&self, shutdown: &Shutdown) {
        while !shutdown.is_asked() {
            while let Err(error) = self.journal.db.query(&janitor::ANSWER, Vec::new()).await {
                tracing::debug!(%error, "the janitor waits for the database");
                tokio::time::sleep(RENEWAL / 4).await;
            }
            tokio::time::sleep(SETTLING).await;
            if let Err(error) = self.rounds(shutdown).await {
                tracing::warn!(%error, "the janitor was interrupted");
            }
        }
    }

    /// Rounds until one fails.
    async fn rounds(&self, shutdown: &Shutdown) -> Result<(), DbError> {
        while !shutdown.is_asked() {
            self.round().await?;
            tokio::time::sleep(ROUND).await;
        }
        Ok(())
    }

    pub(crate) async fn round(&self) -> Result<(), DbError> {
        self.requeue(ORPHAN_GRACE_MS).await?;
        self.end_orphans(ORPHAN_GRACE_MS).await?;
        self.end_stuck().await?;
        self.delete_recordings().await?;
        self.journal.db.query(&janitor::GIVE_UP_DISABLED, Vec::new()).await?;
        self.journal.db.query(&janitor::FORGET, Vec::new()).await?;
        self.journal.db.query(&janitor::TALLY, Vec::new()).await.map(|_| ())
    }

    /// Claimed but never dialled: the same attempt again.
    pub(crate) async fn requeue(&self, grace_ms: i64) -> Result<(), DbError> {
        let params = vec![grace_ms.into(), self.running.ids().into()];
        for row in self.journal.db.query(&janitor::REQUEUE, params).await? {
            tracing::info!(call = %call_id(&row)?, "queued again: its node died before dialling");
        }
        Ok(())
    }

    /// Dialled or in mid-call: over, as crashed; the flow's policy decides about another try.
    pub(crate) async fn end_orphans(&self, grace_ms: i64) -> Result<(), DbError> {
        let now_us = self.journal.clock.now_us();
        let crashed = || End::plain(CallStatus::Failed, EndReason::AgentCrashed, now_us).because("node_lost");
        let params =
            vec![grace_ms.into(), self.running.ids().into(), self.owner.as_str().into(), LEASE_MS.into()];
        self.take_and_end(&janitor::TAKE_ORPHANS, params, crashed).await
    }

    async fn end_stuck(&self) -> Result<(), DbError> {
        let now_us = self.journal.clock.now_us();
        let stuck = || End::plain(CallStatus::Failed, EndReason::Reconciled, now_us).because("stuck");
        let params = vec![STUCK_GRACE_MS.into(), self.owner.as_str().into(), LEASE_MS.into()];
        self.take_and_end(&janitor::TAKE_STUCK, params, stuck).await
    }

    async fn take_and_end(
        &self,
        statement: &Statement,
        params: Vec<Param>,
        end: impl Fn() -> End,
    ) -> Result<(), DbError> {
        for row in self.journal.db.query(statement, params).await? {
            let (account_id, call_id) = (AccountId::from_uuid(row.uuid("account_id")?), call_id(&row)?);
            let token = row.int("lease_token")?;
            if let Some(call) = CallContext::read(&*self.journal.db, account_id, call_id, token).await? {
                let end = end();
                tracing::info!(call = %call_id, reason = %end.ending.end_reason, "ended for another node");
                Journal::new(self.journal.clone(), call).end(end).await?;
            }
        }
        Ok(())
    }

    /// The file goes first: a row without a file is found again, a file without a row is not.
    async fn delete_recordings(&self) -> Result<(), DbError> {
        for row in self.journal.db.query(&janitor::EXPIRED_RECORDINGS, Vec::new()).await? {
            let deleted = self.recordings.delete(&row.text("path")?).await;
            if let Err(error) = &deleted {
                tracing::warn!(call = %row.text("call_id")?, %error, "an expired recording cannot be deleted");
            }
            let statement =
                if deleted.is_ok() { &janitor::RECORDING_DELETED } else { &janitor::RECORDING_KEPT };
            let params = vec![row.text("account_id")?.into(), row.text("call_id")?.into()];
            self.journal.db.query_one(statement, params).await?;
        }
        Ok(())
    }

    /// Deletes what a crash left in the object store: a recording that was never finished, or
    /// that its call does not know.
    pub(crate) async fn delete_leftovers(&self) -> Result<(), DbError> {
        let found = match self.recordings.untouched().await {
            Ok(found) => found,
            Err(error) => return Err(DbError::Unavailable(error.to_string())),
        };
        for paths in found.chunks(LEFTOVERS) {
            let params = vec![paths.to_vec().into()];
            for row in self.journal.db.query(&janitor::UNKNOWN_RECORDINGS, params).await? {
                match self.recordings.delete(&row.text("path")?).await {
                    Ok(()) => tracing::info!("a recording that no call knows was deleted"),
                    Err(error) => tracing::warn!(%error, "a recording that no call knows cannot be deleted"),
                }
            }
        }
        Ok(())
    }
}

fn call_id(row: &Row) -> Result<CallId, DbError> {
    row.uuid("id").map(CallId::from_uuid)
}
