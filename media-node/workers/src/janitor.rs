//! The janitor: puts right what crashes and time leave behind. Every node has one; what they do
//! is claimed row by row, so that any number of them may run.
//!
//! To add a duty: a statement in `talkif_store::janitor` and a line in [`Janitor::round`].

use crate::context::CallContext;
use crate::fresh;
use crate::journal::{End, Journal, JournalSetup};
use crate::recordings::Recordings;
use crate::running::{LEASE, LEASE_MS};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{AccountId, CallId, CallStatus, EndReason};
use talkif_store::{DbError, Param, Row, Statement, janitor};

/// How often the janitor walks.
const ROUND: Duration = Duration::from_secs(5);
/// Beyond the end of a lease, before a call counts as orphaned.
const ORPHAN_GRACE_MS: i64 = 5_000;
/// Beyond a flow's own limits, before a call counts as stuck.
const STUCK_GRACE_MS: i64 = 300_000;

/// What a janitor needs.
pub(crate) struct Janitor {
    pub(crate) journal: JournalSetup,
    pub(crate) recordings: Arc<dyn Recordings>,
    /// Our own leases are not orphaned while we live.
    pub(crate) owner: String,
}

impl Janitor {
    /// Walks until shut down. After an outage of the database all leases look expired, so the
    /// janitor first leaves the nodes the time to renew theirs.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        shutdown
            .every(ROUND, || async {
                if let Err(error) = self.round().await {
                    tracing::warn!(%error, "the janitor was interrupted");
                    tokio::select! {
                        () = shutdown.asked() => {}
                        () = tokio::time::sleep(LEASE) => {}
                    }
                }
            })
            .await;
    }

    pub(crate) async fn round(&self) -> Result<(), DbError> {
        self.requeue(ORPHAN_GRACE_MS).await?;
        self.end_orphans(ORPHAN_GRACE_MS).await?;
        self.end_stuck().await?;
        self.delete_recordings().await?;
        self.journal.db.query(&janitor::FORGET, Vec::new()).await.map(|_| ())
    }

    /// Claimed but never dialled: the same attempt again.
    pub(crate) async fn requeue(&self, grace_ms: i64) -> Result<(), DbError> {
        let params = vec![grace_ms.into(), self.owner.as_str().into()];
        for row in self.journal.db.query(&janitor::REQUEUE, params).await? {
            tracing::info!(call = %call_id(&row)?, "queued again: its node died before dialling");
        }
        Ok(())
    }

    /// Dialled or in mid-call: over, as crashed; the flow's policy decides about another try.
    pub(crate) async fn end_orphans(&self, grace_ms: i64) -> Result<(), DbError> {
        let crashed =
            || End::plain(CallStatus::Failed, EndReason::AgentCrashed, fresh::now_us()).because("node_lost");
        self.take_and_end(&janitor::TAKE_ORPHANS, grace_ms, crashed).await
    }

    async fn end_stuck(&self) -> Result<(), DbError> {
        let stuck =
            || End::plain(CallStatus::Failed, EndReason::Reconciled, fresh::now_us()).because("stuck");
        self.take_and_end(&janitor::TAKE_STUCK, STUCK_GRACE_MS, stuck).await
    }

    async fn take_and_end(
        &self,
        statement: &Statement,
        grace_ms: i64,
        end: impl Fn() -> End,
    ) -> Result<(), DbError> {
        let params: Vec<Param> = vec![grace_ms.into(), self.owner.as_str().into(), LEASE_MS.into()];
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
            if let Err(error) = self.recordings.delete(&row.text("path")?).await {
                tracing::warn!(call = %row.text("call_id")?, %error, "an expired recording cannot be deleted");
                continue;
            }
            let params = vec![row.text("account_id")?.into(), row.text("call_id")?.into()];
            self.journal.db.query_one(&janitor::RECORDING_DELETED, params).await?;
        }
        Ok(())
    }
}

fn call_id(row: &Row) -> Result<CallId, DbError> {
    row.uuid("id").map(CallId::from_uuid)
}
