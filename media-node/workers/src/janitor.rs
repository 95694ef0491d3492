//! The janitor: puts right what crashes and time leave behind. Every node has one; what they do
//! is claimed row by row, so that any number of them may run.
//!
//! To add a duty: a statement in `talkif_store::janitor` and a line in [`Janitor::round`].

use crate::calm::{self, AsOf};
use crate::context::CallContext;
use crate::journal::{End, Journal, JournalSetup};
use crate::recordings::Recordings;
use crate::running::{LEASE_MS, Running};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{AccountId, CallId, CallStatus, EndReason};
use talkif_store::{DbError, Param, Row, Statement, janitor};

/// How often the janitor walks.
const ROUND: Duration = Duration::from_secs(5);
/// How often the object store is searched for what no call knows.
const SEARCH: Duration = Duration::from_secs(3_600);
/// Beyond the end of a lease, before a call counts as orphaned.
const ORPHAN_GRACE_MS: i64 = 5_000;
/// Files that one statement asks about.
const LEFTOVERS: usize = 500;
/// What one statement of upkeep changes, or more.
const FULL: i64 = 1_000;
/// Recordings that one statement takes.
const RECORDINGS: usize = 100;
/// Statements of one kind in a round, while they come back full: what comes in must not outrun
/// what is tidied up, and the other duties have their turn.
pub(crate) const REPEATS: usize = 20;
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
        let (sender, as_of) = tokio::sync::watch::channel(None);
        let walks = async {
            let watch = calm::watch(Arc::clone(&self.journal.db), sender);
            tokio::join!(watch, self.judge_when_calm(as_of), self.tidy_up());
        };
        let rounds = async {
            tokio::select! {
                () = shutdown.asked() => {}
                () = walks => {}
            }
        };
        let searches = shutdown.every(SEARCH, || async {
            if let Err(error) = self.delete_leftovers().await {
                tracing::warn!(%error, "the object store was not searched");
            }
        });
        tokio::join!(rounds, searches);
    }

    async fn judge_when_calm(&self, mut as_of: AsOf) {
        while let Ok(Some(as_of_us)) = as_of.wait_for(Option::is_some).await.map(|told| *told) {
            interrupted(self.judge(as_of_us).await);
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn tidy_up(&self) {
        loop {
            interrupted(self.tidy().await);
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Calls that nobody holds, as of a moment at which every node that lives held its own.
    pub(crate) async fn judge(&self, as_of_us: i64) -> Result<(), DbError> {
        passed("queueing again", self.requeue(as_of_us).await)?;
        passed("ending orphans", self.end_orphans(as_of_us).await)?;
        passed("ending what is stuck", self.end_stuck().await)
    }

    pub(crate) async fn tidy(&self) -> Result<(), DbError> {
        passed("giving up deliveries", self.while_full(&janitor::GIVE_UP_DISABLED).await)?;
        passed("forgetting", self.while_full(&janitor::FORGET).await)?;
        passed("adding up", self.while_full(&janitor::TALLY).await)?;
        passed("deleting recordings", self.delete_recordings().await)
    }

    async fn while_full(&self, statement: &Statement) -> Result<(), DbError> {
        for _ in 0..REPEATS {
            let row = self.journal.db.query_one(statement, Vec::new()).await?;
            if row.map_or(Ok(0), |row| row.int("changes"))? < FULL {
                break;
            }
        }
        Ok(())
    }

    /// Claimed but never dialled: the same attempt again.
    async fn requeue(&self, as_of_us: i64) -> Result<(), DbError> {
        let params = vec![ORPHAN_GRACE_MS.into(), self.running.ids().into(), as_of_us.into()];
        for row in self.journal.db.query(&janitor::REQUEUE, params).await? {
            tracing::info!(call = %call_id(&row)?, "queued again: its node died before dialling");
        }
        Ok(())
    }

    /// Dialled or in mid-call: over, as crashed; the flow's policy decides about another try.
    async fn end_orphans(&self, as_of_us: i64) -> Result<(), DbError> {
        let now_us = self.journal.clock.now_us();
        let crashed = || End::plain(CallStatus::Failed, EndReason::AgentCrashed, now_us).because("node_lost");
        let mut params = vec![ORPHAN_GRACE_MS.into(), self.running.ids().into(), as_of_us.into()];
        params.extend([self.owner.as_str().into(), LEASE_MS.into()]);
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
            passed("ending a call", self.end_taken(&row, end()).await)?;
        }
        Ok(())
    }

    async fn end_taken(&self, row: &Row, end: End) -> Result<(), DbError> {
        let (account_id, call_id) = (AccountId::from_uuid(row.uuid("account_id")?), call_id(row)?);
        let token = row.int("lease_token")?;
        if let Some(call) = CallContext::read(&*self.journal.db, account_id, call_id, token).await? {
            tracing::info!(call = %call_id, reason = %end.ending.end_reason, "ended for another node");
            let ended = Journal::new(self.journal.clone(), call).end(end).await;
            ended.inspect_err(|_| tracing::error!(call = %call_id, "a call cannot be ended"))?;
        }
        Ok(())
    }

    async fn delete_recordings(&self) -> Result<(), DbError> {
        for _ in 0..REPEATS {
            let due = self.journal.db.query(&janitor::EXPIRED_RECORDINGS, Vec::new()).await?;
            let mut any = false;
            for row in &due {
                any |= self.delete_recording(row).await?;
            }
            if !any || due.len() < RECORDINGS {
                break;
            }
        }
        Ok(())
    }

    /// The file goes first: a row without a file is found again, a file without a row is not.
    async fn delete_recording(&self, row: &Row) -> Result<bool, DbError> {
        if let Err(error) = self.recordings.delete(&row.text("path")?).await {
            tracing::warn!(call = %row.text("call_id")?, %error, "an expired recording cannot be deleted");
            return Ok(false);
        }
        let params = vec![row.text("account_id")?.into(), row.text("call_id")?.into()];
        self.journal.db.query_one(&janitor::RECORDING_DELETED, params).await?;
        Ok(true)
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

/// What one row or one duty cannot do is logged and keeps no others. A database that is away
/// keeps them all.
fn passed(what: &str, result: Result<(), DbError>) -> Result<(), DbError> {
    match result {
        Err(DbError::Unavailable(_)) | Ok(()) => result,
        Err(error) => {
            tracing::error!(%error, what, "the janitor goes on without");
            Ok(())
        }
    }
}

fn interrupted(result: Result<(), DbError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the janitor was interrupted");
    }
}

fn call_id(row: &Row) -> Result<CallId, DbError> {
    row.uuid("id").map(CallId::from_uuid)
}
