//! A pooled connection in the hands of one guest, and how it is handed back.
//!
//! A connection goes straight back to the pool unless its user may have left something running:
//! then an open transaction is rolled back and an abandoned statement cancelled first. Spin hands
//! such a connection on as it is.

use super::binding::wire::{Column, Error, ParameterValue};
use super::errors::query_failed;
use super::parameters::{SqlParameter, to_sql};
use super::results::{column, row};
use super::{Rows, Session, SizedRow};
use crate::capabilities::tls::PostgresTls;
use async_trait::async_trait;
use deadpool_postgres::Object;
use futures::{Stream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{RowStream, Statement};

/// Statements kept prepared per connection. Beyond that the guest builds its SQL from data, and
/// keeping it would only fill the server's memory.
const MAX_PREPARED: usize = 256;
/// How long settling a connection may take before it is closed instead.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that start with one of these words cannot leave a transaction open.
const TRANSIENT: [&str; 9] =
    ["select", "with", "insert", "update", "delete", "merge", "values", "table", "explain"];

/// A connection until it is dropped.
pub(super) struct PooledSession {
    /// Present until the drop.
    client: Option<Object>,
    runtime: Handle,
    /// A statement may have opened a transaction.
    unsettled: AtomicBool,
    /// A statement's result was not awaited to its end.
    abandoned: AtomicBool,
}

/// Notices when a statement's result is given up.
struct InFlight {
    session: Arc<PooledSession>,
    finished: bool,
}

impl InFlight {
    fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.finished {
            self.session.abandoned.store(true, Ordering::Relaxed);
        }
    }
}

impl PooledSession {
    /// Takes over `client` from the pool. Must be called within a Tokio runtime.
    pub(super) fn new(client: Object) -> PooledSession {
        PooledSession {
            client: Some(client),
            runtime: Handle::current(),
            unsettled: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        }
    }

    fn client(&self) -> Result<&Object, Error> {
        self.client.as_ref().ok_or_else(|| Error::ConnectionFailed("connection closed".to_owned()))
    }

    fn begin(self: &Arc<Self>, statement: &str) -> InFlight {
        if !is_transient(statement) {
            self.unsettled.store(true, Ordering::Relaxed);
        }
        InFlight { session: Arc::clone(self), finished: false }
    }

    /// Starts a statement; one whose tables changed since it was prepared is prepared once more.
    async fn start(&self, text: &str, parameters: &[SqlParameter]) -> Result<(Statement, RowStream), Error> {
        let client = self.client()?;
        let started = match start_once(client, text, parameters).await {
            Err(error) if is_stale(&error) => {
                client.statement_cache.remove(text, &[]);
                start_once(client, text, parameters).await
            }
            started => started,
        };
        started.map_err(query_failed)
    }
}

async fn start_once(
    client: &Object,
    text: &str,
    parameters: &[SqlParameter],
) -> Result<(Statement, RowStream), tokio_postgres::Error> {
    if client.statement_cache.size() >= MAX_PREPARED {
        client.statement_cache.clear();
    }
    let statement = client.prepare_cached(text).await?;
    let borrowed = parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync));
    let rows = client.query_raw(&statement, borrowed).await?;
    Ok((statement, rows))
}

#[async_trait]
impl Session for PooledSession {
    async fn execute(
        self: Arc<Self>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Error> {
        let parameters = to_sql(parameters).map_err(Error::ValueConversionFailed)?;
        let mut in_flight = self.begin(&statement);
        let outcome = self.run(&statement, &parameters).await;
        in_flight.finish();
        outcome
    }

    async fn query(
        self: Arc<Self>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Rows, Error> {
        let parameters = to_sql(parameters).map_err(Error::BadParameter)?;
        let mut in_flight = self.begin(&statement);
        match self.start(&statement, &parameters).await {
            Ok((prepared, rows)) => {
                let columns: Vec<Column> = prepared.columns().iter().map(column).collect();
                Ok(Rows { columns, rows: watched(in_flight, rows).boxed() })
            }
            Err(error) => {
                in_flight.finish();
                Err(error)
            }
        }
    }
}

impl PooledSession {
    async fn run(&self, statement: &str, parameters: &[SqlParameter]) -> Result<u64, Error> {
        let (_, rows) = self.start(statement, parameters).await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.next().await {
            row.map_err(query_failed)?;
        }
        Ok(rows.rows_affected().unwrap_or(0))
    }
}

/// The rows in WIT types, noticing whether they are read to their end.
fn watched(in_flight: InFlight, rows: RowStream) -> impl Stream<Item = Result<SizedRow, Error>> + Send {
    let rows = Box::pin(rows);
    futures::stream::unfold((in_flight, rows), |(mut in_flight, mut rows)| async move {
        let item = match rows.next().await {
            Some(Ok(found)) => row(&found).map(|values| SizedRow { values, bytes: found.raw_size_bytes() }),
            Some(Err(error)) => {
                in_flight.finish();
                Err(query_failed(error))
            }
            None => {
                in_flight.finish();
                return None;
            }
        };
        Some((item, (in_flight, rows)))
    })
}

/// Whether `statement` certainly leaves no transaction open. A comment in front counts as doubt.
fn is_transient(statement: &str) -> bool {
    let word = statement.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    TRANSIENT.iter().any(|transient| word.eq_ignore_ascii_case(transient))
}

/// Whether the server refused a prepared statement because its tables changed.
fn is_stale(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::FEATURE_NOT_SUPPORTED && error.routine() == Some("RevalidateCachedQuery")
    })
}

impl Drop for PooledSession {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let abandoned = *self.abandoned.get_mut();
        if abandoned || *self.unsettled.get_mut() {
            self.runtime.spawn(settle(client, abandoned));
        }
    }
}

/// Ends whatever the last user left, then lets the connection return to its pool. One that does
/// not answer is closed, which makes the server roll back.
async fn settle(client: Object, abandoned: bool) {
    let settled = tokio::time::timeout(SETTLE_TIMEOUT, async {
        if abandoned {
            client.cancel_token().cancel_query(PostgresTls).await?;
        }
        client.batch_execute("ROLLBACK").await
    });
    if !matches!(settled.await, Ok(Ok(()))) {
        tracing::warn!("a Postgres connection was closed, since its last statement could not be ended");
        drop(Object::take(client));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_may_open_a_transaction_are_settled() {
        for statement in
            ["select 1", " SELECT(1)", "with x as (select 1) table x", "insert into t values (1)"]
        {
            assert!(is_transient(statement), "{statement}");
        }
        for statement in ["begin", "START TRANSACTION", "-- select\nbegin", "set x = 1", "", "selection"] {
            assert!(!is_transient(statement), "{statement}");
        }
    }
}
