//! Redis over Spin, on one connection of the instance.

use crate::patience::{self, within};
use async_trait::async_trait;
use send_wrapper::SendWrapper;
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;
use talkif_api::{Limits, RedisAway, Streams};

/// Entries a stream keeps, roughly. What falls out is found by the dialer's sweep of the
/// database.
const MAX_ENTRIES: &str = "100000";

pub(crate) struct SpinRedis {
    /// `None` in a component that was not given it.
    address: Option<String>,
    /// When it failed last.
    failed: SendWrapper<Cell<Option<Instant>>>,
    connection: SendWrapper<RefCell<Option<Rc<Connection>>>>,
}

impl SpinRedis {
    pub(crate) fn new(address: Option<String>) -> Self {
        let nothing = (Cell::new(None), RefCell::new(None));
        Self { address, failed: SendWrapper::new(nothing.0), connection: SendWrapper::new(nothing.1) }
    }

    async fn connection(&self) -> Result<Rc<Connection>, Error> {
        if let Some(open) = self.connection.borrow().clone() {
            return Ok(open);
        }
        let opened = Rc::new(Connection::open(self.address.as_deref().ok_or(Error::InvalidAddress)?).await?);
        *self.connection.borrow_mut() = Some(Rc::clone(&opened));
        Ok(opened)
    }

    async fn execute(&self, command: &str, arguments: Vec<String>) -> Result<Vec<RedisResult>, RedisAway> {
        if self.failed.get().is_some_and(|at| at.elapsed() < patience::REDIS_PAUSE) {
            return Err(RedisAway("it failed a moment ago".to_owned()));
        }
        let result = match within(patience::REDIS, self.ask(command, arguments)).await {
            Some(result) => result.map_err(|error| RedisAway(format!("{error:?}"))),
            None => Err(RedisAway("no answer in time".to_owned())),
        };
        if result.is_err() {
            // The next request after the pause opens a new connection.
            *self.connection.borrow_mut() = None;
            self.failed.set(Some(Instant::now()));
        }
        result
    }

    async fn ask(&self, command: &str, arguments: Vec<String>) -> Result<Vec<RedisResult>, Error> {
        let parameters = arguments.into_iter().map(|text| RedisParameter::Binary(text.into_bytes()));
        self.connection().await?.execute(command, parameters).await
    }
}

#[async_trait]
impl Limits for SpinRedis {
    async fn eval(&self, script: &str, key: &str, args: &[String]) -> Result<Vec<i64>, RedisAway> {
        let mut arguments = vec![script.to_owned(), "1".to_owned(), key.to_owned()];
        arguments.extend(args.iter().cloned());
        let results = SendWrapper::new(self.execute("EVAL", arguments)).await?;
        results.into_iter().map(integer).collect()
    }
}

fn integer(result: RedisResult) -> Result<i64, RedisAway> {
    match result {
        RedisResult::Int64(value) => Ok(value),
        _ => Err(RedisAway("the script did not return integers".to_owned())),
    }
}

#[async_trait]
impl Streams for SpinRedis {
    async fn append(&self, stream: &str, fields: &[(&str, String)]) -> Result<(), RedisAway> {
        let mut arguments: Vec<String> = [stream, "MAXLEN", "~", MAX_ENTRIES, "*"].map(str::to_owned).into();
        for (name, value) in fields {
            arguments.extend([(*name).to_owned(), value.clone()]);
        }
        SendWrapper::new(self.execute("XADD", arguments)).await.map(drop)
    }
}
