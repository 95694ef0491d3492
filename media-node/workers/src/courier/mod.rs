//! The courier: carries webhook events to their receivers, at least once, in order by call.
//!
//! Deliveries are rows in Postgres; couriers lease them, so any number of nodes may carry.
//! When to try again is [`schedule`]'s, where to [`address`]'s, how to [`send`]'s and how it is written
//! down [`ledger`]'s business.
//! It does not know what an event says: the payload was fixed when the event happened.

mod address;
mod ledger;
mod schedule;
mod send;

use crate::clock::RegionClock;
use crate::otlp::Exporter;
use crate::shutdown::Shutdown;
use ledger::{Entry, Ledger};
use send::{Delivery, Sender};
use std::sync::Arc;
use std::time::Duration;
use talkif_rules::secret::SealingKey;
use talkif_rules::target::Reach;
use talkif_store::{Db, DbError, deliveries};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// Longer than an attempt can take, so that no second courier takes what is under way.
const LEASE_MS: i64 = 45_000;
/// Deliveries under way in one node: receivers that hang for the whole timeout occupy one each
/// once they failed, so it takes many of them to fill a node.
const CONCURRENCY: usize = 1_024;
/// Deliveries under way to one endpoint that is well. With a receiver that answers within 10 ms
/// it gets 2,000 a second.
const CONCURRENCY_PER_ENDPOINT: i64 = 32;
/// Deliveries claimed with one statement: fewer would cost a commit each, more would wait in
/// their leases for the processor.
const CLAIM: usize = 256;
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
        let slots = Arc::new(Semaphore::new(CONCURRENCY));
        let (results, entries) = mpsc::channel(CONCURRENCY);
        let ledger = tokio::spawn(self.ledger(&slots).run(entries));
        let round = Round { courier: Arc::new(self), slots, results };
        while !shutdown.is_asked() {
            if round.carry_what_fits().await {
                continue;
            }
            tokio::select! {
                () = shutdown.asked() => {}
                () = round.courier.config.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        // What is under way holds a sender each; the ledger ends after the last of them.
        drop(round);
        if let Err(error) = ledger.await {
            tracing::error!(%error, "results of webhook deliveries are no longer written");
        }
    }

    fn ledger(&self, slots: &Arc<Semaphore>) -> Ledger {
        Ledger {
            db: Arc::clone(&self.config.db),
            owner: self.config.owner.clone(),
            exporter: self.config.exporter.clone(),
            wake: Arc::clone(&self.config.wake),
            slots: Arc::clone(slots),
            capacity: CONCURRENCY,
        }
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

    /// Tries once and hands over what became of it.
    async fn carry(
        self: Arc<Self>,
        delivery: Delivery,
        slot: OwnedSemaphorePermit,
        results: mpsc::Sender<Entry>,
    ) {
        let sent_us = self.config.clock.now_us();
        let attempt = self.sender.send(&delivery, sent_us / 1_000_000).await;
        tracing::debug!(delivery = %delivery.id, event = %delivery.event_type, attempt = delivery.attempts, ?attempt, "webhook sent");
        let answered_us = self.config.clock.now_us();
        if results.send(Entry { delivery, attempt, sent_us, answered_us, _slot: slot }).await.is_err() {
            tracing::warn!("the result of a webhook delivery was not written: it is sent again");
        }
    }
}

/// What a running courier has at hand for a round of claims.
struct Round {
    courier: Arc<Courier>,
    slots: Arc<Semaphore>,
    results: mpsc::Sender<Entry>,
}

impl Round {
    /// Claims what fits and sets it going; true if there may be more at once.
    async fn carry_what_fits(&self) -> bool {
        let Ok(first) = Arc::clone(&self.slots).acquire_owned().await else { return false };
        let wanted = CLAIM.min(self.slots.available_permits() + 1);
        let claimed = match self.courier.claim(wanted).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "webhook deliveries cannot be claimed");
                return false;
            }
        };
        let full = claimed.len() == wanted;
        // Only this loop takes slots, so those that were free still are.
        let slots = std::iter::once(first)
            .chain(std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok()));
        for (delivery, slot) in claimed.into_iter().zip(slots) {
            tokio::spawn(Arc::clone(&self.courier).carry(delivery, slot, self.results.clone()));
        }
        full
    }
}

#[cfg(test)]
impl Courier {
    /// Who leases.
    pub(crate) fn owner_for_test(&self) -> &str {
        &self.config.owner
    }

    /// The endpoints of what is claimed.
    pub(crate) async fn claim_for_test(&self, limit: i64) -> Vec<uuid::Uuid> {
        let owner = self.config.owner.as_str().into();
        let params = vec![owner, LEASE_MS.into(), limit.into(), CONCURRENCY_PER_ENDPOINT.into()];
        let rows = self.config.db.query(&deliveries::CLAIM, params).await.unwrap();
        rows.iter().map(|row| row.uuid("endpoint_id").unwrap()).collect()
    }
}
