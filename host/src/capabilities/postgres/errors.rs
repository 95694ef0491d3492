//! Errors of Postgres and of the way there, in WIT types.

use super::binding::wire::{DbError, Error, QueryError};
use std::fmt::Display;

/// An error with its causes, as one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}

/// No connection.
pub(super) fn connection_failed(error: &dyn std::error::Error) -> Error {
    Error::ConnectionFailed(chain(error))
}

/// The server, or the encoding of a parameter, refused a statement.
pub(super) fn query_failed(error: tokio_postgres::Error) -> Error {
    let as_text = format!("{error:?}");
    Error::QueryFailed(match error.as_db_error() {
        None => QueryError::Text(as_text),
        Some(db) => QueryError::DbError(DbError {
            as_text,
            severity: db.severity().to_owned(),
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            extras: extras(db),
        }),
    })
}

/// A column's value has no WIT form.
pub(super) fn unreadable(error: tokio_postgres::Error) -> Error {
    Error::QueryFailed(QueryError::Text(chain(&error)))
}

fn extras(db: &tokio_postgres::error::DbError) -> Vec<(String, String)> {
    fn entry(name: &str, value: Option<impl Display>) -> Option<(String, String)> {
        value.map(|value| (name.to_owned(), value.to_string()))
    }
    [
        entry("column", db.column()),
        entry("constraint", db.constraint()),
        entry("routine", db.routine()),
        entry("hint", db.hint()),
        entry("table", db.table()),
        entry("datatype", db.datatype()),
        entry("schema", db.schema()),
        entry("file", db.file()),
        entry("line", db.line()),
        entry("where_", db.where_()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
