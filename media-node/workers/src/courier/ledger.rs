//! Writes down what became of attempts, many with one statement.
//!
//! A commit costs the same for one result as for a hundred, so results wait for one another, but
//! never for longer than [`PATIENCE`] and not at all once nothing else is under way. A result that
//! is not written is not lost: the lease runs out, and the receiver drops the repeat by its
//! `webhook-id`.

use super::schedule;
use super::send::{Attempt, Delivery};
use crate::fresh;
use crate::otlp::{Exporter, FinishedSpan};
use std::sync::Arc;
use std::time::Duration;
use talkif_store::{Db, DbError, Param, Row, Statement, deliveries};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

/// Results in one statement.
const BATCH: usize = 256;
/// The longest that a result waits for others: long against a commit, short against a receiver.
const PATIENCE: Duration = Duration::from_millis(10);

/// An attempt that is over.
pub(super) struct Entry {
    pub(super) delivery: Delivery,
    pub(super) attempt: Attempt,
    /// When it was sent and answered, µs since 1970.
    pub(super) sent_us: i64,
    pub(super) answered_us: i64,
    /// Free once the result is written: what is not written down yet counts as under way.
    pub(super) _slot: OwnedSemaphorePermit,
}

/// Takes entries until all their senders are gone.
pub(super) struct Ledger {
    pub(super) db: Arc<dyn Db>,
    /// The owner of the leases.
    pub(super) owner: String,
    pub(super) exporter: Option<Exporter>,
    /// Notified after each statement: slots are free, and deliveries behind these may go.
    pub(super) wake: Arc<Notify>,
    pub(super) slots: Arc<Semaphore>,
    /// How many slots there are.
    pub(super) capacity: usize,
}

impl Ledger {
    pub(super) async fn run(self, mut entries: mpsc::Receiver<Entry>) {
        let exports = TaskTracker::new();
        while let Some(batch) = self.collect(&mut entries).await {
            let spans = self.write(&batch).await;
            drop(batch);
            self.wake.notify_one();
            // Collectors must not hold webhooks up.
            if let (Some(exporter), false) = (&self.exporter, spans.is_empty()) {
                let exporter = exporter.clone();
                exports.spawn(async move { exporter.export_all(&spans).await });
            }
        }
        exports.close();
        exports.wait().await;
    }

    /// The next results; `None` when there will be no more.
    async fn collect(&self, entries: &mut mpsc::Receiver<Entry>) -> Option<Vec<Entry>> {
        let mut batch = vec![entries.recv().await?];
        let until = Instant::now() + PATIENCE;
        while batch.len() < BATCH && self.others_under_way(batch.len()) {
            match timeout_at(until, entries.recv()).await {
                Ok(Some(entry)) => batch.push(entry),
                Ok(None) | Err(_) => break,
            }
        }
        Some(batch)
    }

    fn others_under_way(&self, collected: usize) -> bool {
        self.slots.available_permits() + collected < self.capacity
    }

    /// Writes a batch down and returns the spans of what was delivered.
    async fn write(&self, batch: &[Entry]) -> Vec<FinishedSpan> {
        let (delivered, failed): (Vec<_>, Vec<_>) =
            batch.iter().partition(|entry| matches!(entry.attempt, Attempt::Delivered { .. }));
        let spans = self.write_all(&deliveries::DELIVERED, &delivered, delivered_columns).await;
        for row in self.write_all(&deliveries::FAILED, &failed, failed_columns).await {
            if let (Ok(endpoint), Ok(Some(reason))) =
                (row.text("endpoint_id"), row.opt_text("disabled_reason"))
            {
                tracing::info!(endpoint, reason, "webhook endpoint disabled");
            }
        }
        spans.iter().filter_map(|row| FinishedSpan::from_row(row).ok()).collect()
    }

    /// One statement for all entries. If it is refused, one for each: whatever is wrong with one
    /// of them must not repeat the others for ever.
    async fn write_all(&self, statement: &Statement, entries: &[&Entry], columns: Columns) -> Vec<Row> {
        if entries.is_empty() {
            return Vec::new();
        }
        match self.query(statement, entries, columns).await {
            Err(error) if entries.len() > 1 && !matches!(error, DbError::Unavailable(_)) => {
                let mut rows = Vec::new();
                for entry in entries {
                    rows.extend(self.query(statement, &[entry], columns).await.unwrap_or_default());
                }
                rows
            }
            written => written.unwrap_or_default(),
        }
    }

    async fn query(
        &self,
        statement: &Statement,
        entries: &[&Entry],
        columns: Columns,
    ) -> Result<Vec<Row>, DbError> {
        let column = |value: &dyn Fn(&Entry) -> String| -> Param {
            entries.iter().map(|entry| value(entry)).collect::<Vec<_>>().into()
        };
        let mut params: Vec<Param> = vec![
            self.owner.as_str().into(),
            column(&|entry| entry.delivery.account_id.sql()),
            column(&|entry| entry.delivery.id.sql()),
            column(&|entry| entry.delivery.attempts.to_string()),
        ];
        params.extend(columns(entries));
        let rows = self.db.query(statement, params).await;
        if let Err(error) = &rows {
            let (first, count) = (entries.first().map(|entry| entry.delivery.id), entries.len());
            tracing::warn!(?first, count, %error, "results of webhook deliveries were not written");
        }
        rows
    }
}

/// What a statement is told beyond owner, accounts, deliveries and attempts.
type Columns = fn(&[&Entry]) -> Vec<Param>;

fn delivered_columns(entries: &[&Entry]) -> Vec<Param> {
    let status = |entry: &&Entry| match entry.attempt {
        Attempt::Delivered { status } => status.to_string(),
        Attempt::Gone | Attempt::Failed { .. } => String::new(),
    };
    let texts = |value: &dyn Fn(&&Entry) -> String| entries.iter().map(value).collect::<Vec<_>>().into();
    vec![
        texts(&status),
        texts(&|_| fresh::span_id()),
        texts(&|entry| entry.sent_us.to_string()),
        texts(&|entry| entry.answered_us.to_string()),
    ]
}

fn failed_columns(entries: &[&Entry]) -> Vec<Param> {
    let failures: Vec<Failure> = entries.iter().map(|entry| Failure::of(entry)).collect();
    let texts = |value: &dyn Fn(&Failure) -> String| failures.iter().map(value).collect::<Vec<_>>().into();
    vec![
        texts(&|failure| failure.status.clone()),
        texts(&|failure| failure.error.clone()),
        texts(&|failure| failure.pause_ms.clone()),
        texts(&|failure| failure.gone.to_string()),
    ]
}

/// A failure as the statement takes it; empty is null.
struct Failure {
    status: String,
    error: String,
    pause_ms: String,
    gone: bool,
}

impl Failure {
    fn of(entry: &Entry) -> Self {
        let Attempt::Failed { status, error, retry_after } = &entry.attempt else {
            return Self {
                status: "410".to_owned(),
                error: "the receiver is gone".to_owned(),
                pause_ms: String::new(),
                gone: true,
            };
        };
        let pause = schedule::pause(entry.delivery.attempts, fresh::jitter(), *retry_after);
        Self {
            status: status.map(|status| status.to_string()).unwrap_or_default(),
            error: error.clone(),
            pause_ms: pause.map(|pause| pause.as_millis().to_string()).unwrap_or_default(),
            gone: false,
        }
    }
}
