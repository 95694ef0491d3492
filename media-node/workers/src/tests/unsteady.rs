//! Databases that misbehave at a chosen statement.

use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use talkif_store::{Db, DbError, Param, Row, Statement};
use tokio::sync::Notify;

/// Commits each of the named statements once and loses the answer.
pub(super) struct Forgetful {
    pub(super) inner: Arc<dyn Db>,
    pub(super) loses: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Db for Forgetful {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let rows = self.inner.query(statement, params).await?;
        let mut loses = self.loses.lock().unwrap();
        match loses.iter().position(|name| *name == statement.name) {
            Some(at) => {
                loses.remove(at);
                Err(DbError::Unavailable("the answer was lost".into()))
            }
            None => Ok(rows),
        }
    }
}

/// Is away at each of the named statements once: it does not run.
pub(super) struct AwayAt {
    pub(super) inner: Arc<dyn Db>,
    pub(super) statements: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Db for AwayAt {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let missed = {
            let mut statements = self.statements.lock().unwrap();
            let at = statements.iter().position(|name| *name == statement.name);
            at.map(|at| statements.remove(at)).is_some()
        };
        if missed {
            return Err(DbError::Unavailable("away".into()));
        }
        self.inner.query(statement, params).await
    }
}

/// Refuses each of the named statements once, as if a row that it refers to had just been deleted.
pub(super) struct Deleting {
    pub(super) inner: Arc<dyn Db>,
    pub(super) statements: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl Db for Deleting {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let refused = {
            let mut statements = self.statements.lock().unwrap();
            let at = statements.iter().position(|name| *name == statement.name);
            at.map(|at| statements.remove(at)).is_some()
        };
        if refused {
            return Err(DbError::Constraint { code: "23503".into(), constraint: "made_up_fkey".into() });
        }
        self.inner.query(statement, params).await
    }
}

/// Runs a statement and then keeps its answer back: whoever asked sleeps.
pub(super) struct Pausing {
    pub(super) inner: Arc<dyn Db>,
    pub(super) after: &'static str,
    pub(super) asleep: Notify,
    pub(super) wake: Notify,
}

impl Pausing {
    pub(super) fn after(statement: &'static str, inner: &Arc<dyn Db>) -> Arc<Self> {
        let inner = Arc::clone(inner);
        Arc::new(Self { inner, after: statement, asleep: Notify::new(), wake: Notify::new() })
    }
}

#[async_trait]
impl Db for Pausing {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let rows = self.inner.query(statement, params).await;
        if statement.name == self.after {
            self.asleep.notify_one();
            self.wake.notified().await;
        }
        rows
    }
}
