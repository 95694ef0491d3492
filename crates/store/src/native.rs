//! The [`Db`] port on sqlx, for native processes, and the migrations they carry.
//!
//! It knows no statement: it binds whatever [`Param`]s it is given and turns rows into
//! [`Cell`]s. To carry another column type, add it to [`Cell`] and to `cell` below, and check
//! that Spin's Postgres interface carries it too.

mod migrations;

use crate::{Cell, Db, DbError, Param, Row, Statement};
use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgColumn, PgConnectOptions, PgPoolOptions, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{Column, PgPool, Row as _, TypeInfo, ValueRef};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use migrations::{migrate_directory, migrate_region, migrations_fingerprint};

/// Connections of one process. Statements are single and short, so a few serve many calls.
const MAX_CONNECTIONS: u32 = 16;
/// How long a statement waits for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the server's own limit: what takes longer has lost its connection without being
/// told.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);

/// A pool of Postgres connections that runs statements.
#[derive(Debug, Clone)]
pub struct PgDb {
    pool: PgPool,
}

impl PgDb {
    /// Runs statements on `pool`.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for what is not a statement (health checks, tests).
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// Connects to `url` (`postgres://user:password@host:port/database`) and proves it with one
/// connection.
///
/// # Errors
/// [`DbError::Unavailable`] if the address makes no sense or nobody answers there.
pub async fn connect(url: &str) -> Result<PgDb, DbError> {
    let pool = pool_options().connect_with(connect_options(url)?).await.map_err(error)?;
    Ok(PgDb::new(pool))
}

/// As [`connect`], but opens the first connection when the first statement runs.
///
/// # Errors
/// [`DbError::Unavailable`] if the address makes no sense.
pub fn connect_lazily(url: &str) -> Result<PgDb, DbError> {
    Ok(PgDb::new(pool_options().connect_lazy_with(connect_options(url)?)))
}

fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT)
}

/// No statement of ours takes seconds; one that does is stuck and gives its locks back.
fn connect_options(url: &str) -> Result<PgConnectOptions, DbError> {
    Ok(base_options(url)?.options([("statement_timeout", "30s")]))
}

/// For statements that may take as long as they need.
fn base_options(url: &str) -> Result<PgConnectOptions, DbError> {
    let options = PgConnectOptions::from_str(url).map_err(error)?;
    Ok(options.application_name("talkif").options([("idle_in_transaction_session_timeout", "30s")]))
}

#[async_trait]
impl Db for PgDb {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let query = params.into_iter().fold(sqlx::query(statement.sql), bind);
        let rows = tokio::time::timeout(ANSWER_TIMEOUT, query.fetch_all(&self.pool)).await;
        let silent = |_| DbError::Unavailable("the database does not answer".to_owned());
        convert(&rows.map_err(silent)?.map_err(error)?)
    }
}

type PgQuery = Query<'static, Postgres, PgArguments>;

fn bind(query: PgQuery, param: Param) -> PgQuery {
    match param {
        Param::Text(value) => query.bind(value),
        Param::Int(value) => query.bind(value),
        Param::Bool(value) => query.bind(value),
        Param::Texts(value) => query.bind(value),
        Param::Bytes(value) => query.bind(value),
    }
}

fn convert(rows: &[PgRow]) -> Result<Vec<Row>, DbError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let cells = row.columns().iter().map(|column| cell(row, column)).collect::<Result<_, _>>()?;
            Ok(Row::new(Arc::clone(&columns), cells))
        })
        .collect()
}

fn cell(row: &PgRow, column: &PgColumn) -> Result<Cell, DbError> {
    let at = column.ordinal();
    if row.try_get_raw(at).map_err(error)?.is_null() {
        return Ok(Cell::Null);
    }
    let cell = match column.type_info().name() {
        "TEXT" | "VARCHAR" | "NAME" | "CHAR" => row.try_get(at).map(Cell::Text),
        "INT2" => row.try_get::<i16, _>(at).map(|value| Cell::Int(value.into())),
        "INT4" => row.try_get::<i32, _>(at).map(|value| Cell::Int(value.into())),
        "INT8" => row.try_get(at).map(Cell::Int),
        "FLOAT8" => row.try_get(at).map(Cell::Float),
        "BOOL" => row.try_get(at).map(Cell::Bool),
        "BYTEA" => row.try_get(at).map(Cell::Bytes),
        "TEXT[]" | "VARCHAR[]" => row.try_get(at).map(Cell::Texts),
        other => {
            let message = format!("column `{}` has type {other}, which cells do not carry", column.name());
            return Err(DbError::Shape(message));
        }
    };
    cell.map_err(error)
}

fn error(error: sqlx::Error) -> DbError {
    match error {
        sqlx::Error::Database(database) => database_error(&*database),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            DbError::Shape(error.to_string())
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Configuration(_) => DbError::Unavailable(error.to_string()),
        other => DbError::Failed { code: String::new(), message: other.to_string() },
    }
}

fn database_error(error: &dyn sqlx::error::DatabaseError) -> DbError {
    let code = error.code().unwrap_or_default().into_owned();
    match error.constraint() {
        _ if means_unavailable(&code) => DbError::Unavailable(error.message().to_owned()),
        Some(constraint) => DbError::Constraint { code, constraint: constraint.to_owned() },
        None => DbError::Failed { message: safe_message(&code, error.message()), code },
    }
}

/// Class 22 quotes the value that it refuses, which may be what somebody said; messages are
/// logged.
fn safe_message(code: &str, message: &str) -> String {
    if code.starts_with("22") { "a value was refused".to_owned() } else { message.to_owned() }
}

/// Classes 08 (connection), 53 (out of connections, memory, disk) and 58 (its own trouble), 25006
/// (a standby: the primary has moved) and 57P01 to 57P03 (shutting down, crashed, starting up):
/// the same statement may well succeed in a second.
fn means_unavailable(code: &str) -> bool {
    ["08", "53", "58"].iter().any(|class| code.starts_with(class))
        || matches!(code, "25006" | "57P01" | "57P02" | "57P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lost_or_starting_database_counts_as_unavailable() {
        for code in ["08006", "25006", "53100", "53300", "57P01", "57P03", "58030"] {
            assert!(means_unavailable(code), "{code}");
        }
        for code in ["23505", "57014", "40001", "42601", ""] {
            assert!(!means_unavailable(code), "{code}");
        }
    }

    #[test]
    fn a_refused_value_is_not_quoted() {
        assert_eq!(safe_message("22P02", "invalid input syntax: \"my card is\""), "a value was refused");
        assert_eq!(safe_message("42601", "syntax error"), "syntax error");
    }

    #[test]
    fn a_pool_that_is_exhausted_counts_as_unavailable() {
        assert!(matches!(error(sqlx::Error::PoolTimedOut), DbError::Unavailable(_)));
    }
}
