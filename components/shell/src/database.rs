//! Postgres over Spin, on one connection of the instance, which concurrent requests share. That
//! is sound because every change is one statement: nothing here ever opens a transaction.

use crate::patience::{self, within};
use async_trait::async_trait;
use send_wrapper::SendWrapper;
use spin_sdk::pg::{Connection, DbValue, Error, ParameterValue, PgError, QueryError};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use talkif_store::{Cell, Db, DbError, Param, Row, Statement};

pub(crate) struct SpinDb {
    /// `None` in a component that was not given it.
    address: Option<String>,
    connection: SendWrapper<RefCell<Option<Rc<Connection>>>>,
}

impl SpinDb {
    pub(crate) fn new(address: Option<String>) -> Self {
        Self { address, connection: SendWrapper::new(RefCell::new(None)) }
    }

    /// The instance's connection, and whether it was open already.
    async fn connection(&self) -> Result<(Rc<Connection>, bool), DbError> {
        if let Some(open) = self.connection.borrow().clone() {
            return Ok((open, true));
        }
        let not_given = || DbError::Failed {
            code: String::new(),
            message: "this component was not given the database's address".to_owned(),
        };
        let opened = Connection::open(self.address.as_deref().ok_or_else(not_given)?).await;
        let opened = Rc::new(opened.map_err(|error| DbError::Unavailable(error.to_string()))?);
        *self.connection.borrow_mut() = Some(Rc::clone(&opened));
        Ok((opened, false))
    }

    /// A connection can have died since it was last used. Then a statement that only reads is
    /// run again on a new one; a change is not, because it may have happened.
    async fn run(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let (connection, was_open) = self.connection().await?;
        let result = query(&connection, statement, params.clone()).await;
        if !matches!(result, Err(DbError::Unavailable(_))) {
            return result;
        }
        *self.connection.borrow_mut() = None;
        if was_open && statement.sql.trim_start().starts_with("select") {
            let (connection, _) = self.connection().await?;
            return query(&connection, statement, params).await;
        }
        result
    }
}

#[async_trait]
impl Db for SpinDb {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let run = within(patience::DATABASE, self.run(statement, params));
        let Some(result) = SendWrapper::new(run).await else {
            *self.connection.borrow_mut() = None;
            return Err(DbError::Unavailable(format!("no answer to {} in time", statement.name)));
        };
        result
    }
}

async fn query(
    connection: &Connection,
    statement: &Statement,
    params: Vec<Param>,
) -> Result<Vec<Row>, DbError> {
    let params: Vec<ParameterValue> = params.into_iter().map(parameter).collect();
    let mut result = connection.query(statement.sql, params).await.map_err(failure)?;
    let columns: Arc<[String]> = result.columns().iter().map(|column| column.name.clone()).collect();
    let mut rows = Vec::new();
    while let Some(values) = result.rows().next().await {
        let cells = values.into_iter().map(cell).collect::<Result<_, _>>()?;
        rows.push(Row::new(Arc::clone(&columns), cells));
    }
    // Errors such as a violated constraint appear only here.
    result.result().await.map_err(failure)?;
    Ok(rows)
}

fn parameter(param: Param) -> ParameterValue {
    match param {
        Param::Text(Some(text)) => ParameterValue::Str(text),
        Param::Int(Some(value)) => ParameterValue::Int64(value),
        Param::Text(None) | Param::Int(None) => ParameterValue::DbNull,
        Param::Bool(value) => ParameterValue::Boolean(value),
        Param::Texts(texts) => ParameterValue::ArrayStr(texts.into_iter().map(Some).collect()),
        Param::Bytes(bytes) => ParameterValue::Binary(bytes),
    }
}

fn cell(value: DbValue) -> Result<Cell, DbError> {
    Ok(match value {
        DbValue::DbNull => Cell::Null,
        DbValue::Str(text) => Cell::Text(text),
        DbValue::Int64(value) => Cell::Int(value),
        DbValue::Int32(value) => Cell::Int(value.into()),
        DbValue::Int16(value) => Cell::Int(value.into()),
        DbValue::Floating64(value) => Cell::Float(value),
        DbValue::Boolean(value) => Cell::Bool(value),
        DbValue::Binary(bytes) => Cell::Bytes(bytes),
        DbValue::ArrayStr(texts) => Cell::Texts(texts.into_iter().flatten().collect()),
        _ => return Err(DbError::Shape("a column of a type that statements do not select".to_owned())),
    })
}

/// Postgres' own errors keep their code; whatever else goes wrong is the way there.
fn failure(error: Error) -> DbError {
    let Error::PgError(PgError::QueryFailed(QueryError::DbError(error))) = error else {
        return match error {
            Error::PgError(PgError::BadParameter(message) | PgError::ValueConversionFailed(message)) => {
                DbError::Failed { code: String::new(), message }
            }
            other => DbError::Unavailable(other.to_string()),
        };
    };
    let constraint = error.extras.into_iter().find(|(name, _)| name.contains("constraint"));
    match (error.code.get(..2).unwrap_or_default(), constraint) {
        ("23", Some((_, constraint))) => DbError::Constraint { code: error.code, constraint },
        // Connection exceptions, too many connections, shutdown.
        ("08" | "53" | "57", _) => DbError::Unavailable(error.message),
        _ => DbError::Failed { code: error.code, message: error.message },
    }
}
