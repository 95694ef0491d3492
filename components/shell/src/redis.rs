//! Redis over Spin, on one connection of the instance.

use async_trait::async_trait;
use send_wrapper::SendWrapper;
use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};
use std::cell::RefCell;
use std::rc::Rc;
use talkif_api::{Limits, RedisAway, Streams};

/// Entries a stream keeps, roughly. What falls out is found by the dialer's sweep of the
/// database.
const MAX_ENTRIES: &str = "100000";

pub(crate) struct SpinRedis {
    address: String,
    connection: SendWrapper<RefCell<Option<Rc<Connection>>>>,
}

impl SpinRedis {
    pub(crate) fn new(address: String) -> Self {
        Self { address, connection: SendWrapper::new(RefCell::new(None)) }
    }

    async fn connection(&self) -> Result<Rc<Connection>, Error> {
        if let Some(open) = self.connection.borrow().clone() {
            return Ok(open);
        }
        let opened = Rc::new(Connection::open(&self.address).await?);
        *self.connection.borrow_mut() = Some(Rc::clone(&opened));
        Ok(opened)
    }

    async fn execute(&self, command: &str, arguments: Vec<String>) -> Result<Vec<RedisResult>, RedisAway> {
        let parameters = arguments.into_iter().map(|text| RedisParameter::Binary(text.into_bytes()));
        let result = match self.connection().await {
            Ok(connection) => connection.execute(command, parameters).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            // The next request opens a new connection.
            *self.connection.borrow_mut() = None;
            RedisAway(format!("{error:?}"))
        })
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
