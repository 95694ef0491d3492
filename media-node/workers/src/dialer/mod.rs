//! The dialer: takes queued calls, asks the gate at dial time, and dials.
//!
//! Calls come from two sides: the stream says at once what is new, the sweep finds in Postgres
//! whatever the stream did not say (retries, held calls, a lost Redis). Both only lease; who may
//! dial is decided by one statement in [`attempt`], so that a call is dialled once however many
//! dialers want it. A slot of this node is taken before a lease is.

mod attempt;
mod facts;
mod request;
mod stream;

pub(crate) use facts::{Account, Facts, object};
pub(crate) use stream::CallStream;

use crate::directory::Directory;
use crate::runner::Stage;
use crate::running::LEASE_MS;
use crate::shutdown::Shutdown;
use facts::Leased;
use std::sync::Arc;
use std::time::Duration;
use stream::Entry;
use talkif_model::CallId;
use talkif_rules::secret::SealingKey;
use talkif_store::{DbError, Row, dialing};
use talkif_telephony::Telephony;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// How often the sweep looks.
const SWEEP: Duration = Duration::from_secs(1);
/// Calls of one sweep.
const SWEEP_LIMIT: usize = 64;
/// After Redis failed, and while no slot is free.
const PAUSE: Duration = Duration::from_millis(500);

/// What a dialer needs.
pub(crate) struct DialerSetup {
    pub(crate) stage: Stage,
    pub(crate) telephony: Arc<dyn Telephony>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) sealing_key: Arc<SealingKey>,
    /// This node's slots, shared with inbound calls.
    pub(crate) slots: Arc<Semaphore>,
    /// Who leases.
    pub(crate) owner: String,
    /// Calls under way, waited for at shutdown.
    pub(crate) calls: TaskTracker,
}

/// Dials what is due.
pub(crate) struct Dialer {
    setup: DialerSetup,
}

impl Dialer {
    pub(crate) fn new(setup: DialerSetup) -> Arc<Self> {
        Arc::new(Self { setup })
    }

    /// Looks in Postgres every second until shut down.
    pub(crate) async fn sweep(self: Arc<Self>, shutdown: Shutdown) {
        shutdown
            .every(SWEEP, || async {
                if let Err(error) = self.sweep_once().await {
                    tracing::warn!(%error, "due calls cannot be read");
                }
            })
            .await;
    }

    /// Leases as many due calls as this node has slots for, and sets out on each.
    pub(crate) async fn sweep_once(self: &Arc<Self>) -> Result<(), DbError> {
        let slot = || Arc::clone(&self.setup.slots).try_acquire_owned().ok();
        let slots: Vec<OwnedSemaphorePermit> = std::iter::from_fn(slot).take(SWEEP_LIMIT).collect();
        if slots.is_empty() {
            return Ok(());
        }
        let limit = i64::try_from(slots.len()).unwrap_or(i64::MAX);
        let params = vec![self.setup.owner.as_str().into(), LEASE_MS.into(), limit.into()];
        let rows = self.setup.stage.journal.db.query(&dialing::TAKE, params).await?;
        for (row, slot) in rows.iter().zip(slots) {
            self.set_out(row, slot)?;
        }
        Ok(())
    }

    /// Follows the stream until shut down.
    pub(crate) async fn follow(self: Arc<Self>, mut stream: CallStream, shutdown: Shutdown) {
        while !shutdown.is_asked() {
            let read = tokio::select! {
                () = shutdown.asked() => break,
                read = self.follow_once(&mut stream) => read,
            };
            if let Err(error) = read {
                tracing::debug!(%error, "the stream of calls is away; the sweep goes on");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Reads only while a slot is free: what this node cannot take, others may.
    async fn follow_once(self: &Arc<Self>, stream: &mut CallStream) -> redis::RedisResult<()> {
        if self.setup.slots.available_permits() == 0 {
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
        for entry in stream.read().await? {
            match self.consider(&entry).await {
                Ok(()) => stream.acknowledge(&entry).await?,
                Err(error) => tracing::warn!(%error, "a new call cannot be taken now"),
            }
        }
        Ok(())
    }

    /// Once Postgres has answered, the entry has served: a call that is not taken now is held,
    /// taken, over, or found by the sweep when a slot is free.
    async fn consider(self: &Arc<Self>, entry: &Entry) -> Result<(), DbError> {
        let Some(call_id) = entry.call_id else { return Ok(()) };
        let Ok(slot) = Arc::clone(&self.setup.slots).try_acquire_owned() else { return Ok(()) };
        match self.take_one(call_id).await? {
            Some(row) => self.set_out(&row, slot),
            None => Ok(()),
        }
    }

    async fn take_one(&self, call_id: CallId) -> Result<Option<Row>, DbError> {
        let params = vec![self.setup.owner.as_str().into(), LEASE_MS.into(), call_id.sql().into()];
        self.setup.stage.journal.db.query_one(&dialing::TAKE_ONE, params).await
    }

    fn set_out(self: &Arc<Self>, row: &Row, slot: OwnedSemaphorePermit) -> Result<(), DbError> {
        let leased = Leased::from_row(row)?;
        let this = Arc::clone(self);
        self.setup.calls.spawn(async move { this.attempt(leased, slot).await });
        Ok(())
    }
}
