//! The courier: carries webhook events to their receivers, at least once, in order by call.
//!
//! Deliveries are rows in Postgres; couriers lease them, so any number of nodes may carry.
//! When to try again is [`schedule`]'s, where to [`address`]'s, how to [`send`]'s business.
//! It does not know what an event says: the payload was fixed when the event happened.

mod address;
mod schedule;
mod send;

use crate::clock::RegionClock;
use crate::fresh;
use crate::otlp::{Exporter, FinishedSpan};
use crate::shutdown::Shutdown;
use send::{Attempt, Delivery, Sender};
use std::sync::Arc;
use std::time::Duration;
use talkif_rules::secret::SealingKey;
use talkif_rules::target::Reach;
use talkif_store::{Db, DbError, Param, deliveries};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Longer than an attempt can take, so that no second courier takes what is under way.
const LEASE_MS: i64 = 45_000;
/// Deliveries under way in one node: receivers that hang for the whole timeout occupy one each
/// once they failed, so it takes many of them to fill a node.
const CONCURRENCY: usize = 256;
/// Deliveries under way to one endpoint that is well.
const CONCURRENCY_PER_ENDPOINT: i64 = 8;
/// How often Postgres is asked when nobody calls.
const POLL: Duration = Duration::from_millis(500);

/// What a courier needs.
pub(crate) struct CourierConfig {
    pub(crate) db: Arc<dyn Db>,
    /// Dates signatures.
    pub(crate) clock: RegionClock,
    /// Who leases.
    pub(crate) owner: String,
    pub(crate) sealing_key: Arc<SealingKey>,
    /// Loopback receivers are allowed.
    pub(crate) local_mode: bool,
    pub(crate) exporter: Option<Exporter>,
    /// Notified when there may be something to carry.
    pub(crate) wake: Arc<Notify>,
}

/// Carries deliveries until shut down.
pub(crate) struct Courier {
    config: CourierConfig,
    sender: Sender,
}

impl Courier {
    pub(crate) fn new(config: CourierConfig) -> reqwest::Result<Self> {
        let reach = Reach::of(config.local_mode);
        let sender = Sender::new(address::system_lookup(), reach, Arc::clone(&config.sealing_key))?;
        Ok(Self { config, sender })
    }

    /// Runs until `shutdown`, then finishes what is under way.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let this = Arc::new(self);
        let slots = Arc::new(Semaphore::new(CONCURRENCY));
        let under_way = TaskTracker::new();
        while !shutdown.is_asked() {
            if this.round(&slots, &under_way).await {
                continue;
            }
            tokio::select! {
                () = shutdown.asked() => {}
                () = this.config.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        under_way.close();
        under_way.wait().await;
    }

    /// Claims what fits; true if there may be more at once.
    async fn round(self: &Arc<Self>, slots: &Arc<Semaphore>, under_way: &TaskTracker) -> bool {
        let Ok(permit) = Arc::clone(slots).acquire_owned().await else { return false };
        let free = slots.available_permits() + 1;
        let claimed = match self.claim(free).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "webhook deliveries cannot be claimed");
                return false;
            }
        };
        let full = claimed.len() == free;
        let mut permit = Some(permit);
        for delivery in claimed {
            let permit = permit.take().or_else(|| Arc::clone(slots).try_acquire_owned().ok());
            under_way.spawn(Arc::clone(self).carry(delivery, permit));
        }
        full
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Delivery>, DbError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = vec![
            self.config.owner.as_str().into(),
            LEASE_MS.into(),
            limit.into(),
            CONCURRENCY_PER_ENDPOINT.into(),
        ];
        let rows = self.config.db.query(&deliveries::CLAIM, params).await?;
        rows.iter().map(Delivery::from_row).collect()
    }

    /// Tries once and writes down what became of it. A result that cannot be written is not
    /// lost: the lease runs out, and the receiver drops the repeat by its `webhook-id`.
    async fn carry(self: Arc<Self>, delivery: Delivery, slot: Option<OwnedSemaphorePermit>) {
        let sent_us = self.config.clock.now_us();
        let attempt = self.sender.send(&delivery, sent_us / 1_000_000).await;
        tracing::debug!(delivery = %delivery.id, event = %delivery.event_type, attempt = delivery.attempts, ?attempt, "webhook sent");
        let written = match attempt {
            Attempt::Delivered { status } => self.delivered(&delivery, status, sent_us, slot).await,
            Attempt::Gone => self.failed(&delivery, Some(410), "the receiver is gone", None, true).await,
            Attempt::Failed { status, error, retry_after } => {
                let pause = schedule::pause(delivery.attempts, fresh::jitter(), retry_after);
                let pause_ms = pause.map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
                self.failed(&delivery, status, &error, pause_ms, false).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(delivery = %delivery.id, %error, "the result of a webhook delivery was not written");
        }
        self.config.wake.notify_one();
    }

    /// The slot is free before the span is exported: collectors must not hold webhooks up.
    async fn delivered(
        &self,
        delivery: &Delivery,
        status: u16,
        sent_us: i64,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<(), DbError> {
        let span_id = fresh::span_id();
        let mut params = self.key(delivery);
        params.extend([i64::from(status).into(), span_id.into(), sent_us.into()]);
        let row = self.config.db.query_one(&deliveries::DELIVERED, params).await?;
        drop(slot);
        self.config.wake.notify_one();
        if let (Some(exporter), Some(row)) = (&self.config.exporter, row) {
            exporter.export(FinishedSpan::from_row(&row)?).await;
        }
        Ok(())
    }

    async fn failed(
        &self,
        delivery: &Delivery,
        status: Option<u16>,
        error: &str,
        pause_ms: Option<i64>,
        gone: bool,
    ) -> Result<(), DbError> {
        let mut params = self.key(delivery);
        params.extend([status.map(i64::from).into(), error.into(), pause_ms.into(), gone.into()]);
        let disabled = self.config.db.query_one(&deliveries::FAILED, params).await?;
        if let Some(reason) = disabled.and_then(|row| row.opt_text("disabled_reason").ok().flatten()) {
            tracing::info!(delivery = %delivery.id, reason, "webhook endpoint disabled");
        }
        Ok(())
    }

    fn key(&self, delivery: &Delivery) -> Vec<Param> {
        vec![delivery.account_id.sql().into(), delivery.id.sql().into(), self.config.owner.as_str().into()]
    }
}

#[cfg(test)]
impl Courier {
    /// The endpoints of what is claimed.
    pub(crate) async fn claim_for_test(&self, limit: i64) -> Vec<uuid::Uuid> {
        let owner = self.config.owner.as_str().into();
        let params = vec![owner, LEASE_MS.into(), limit.into(), CONCURRENCY_PER_ENDPOINT.into()];
        let rows = self.config.db.query(&deliveries::CLAIM, params).await.unwrap();
        rows.iter().map(|row| row.uuid("endpoint_id").unwrap()).collect()
    }
}
