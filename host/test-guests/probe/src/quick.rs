//! What `talkif bench` measures: the least that a guest can do with a store, over a connection that
//! the instance keeps. Addresses come from the variables `database_url` and `redis_url`.

use crate::{Answer, text};
use spin_sdk::pg::wit::postgres::{Connection as Postgres, ParameterValue};
use spin_sdk::redis::Connection as Redis;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    static POSTGRES: RefCell<Option<Rc<Postgres>>> = const { RefCell::new(None) };
    static REDIS: RefCell<Option<Rc<Redis>>> = const { RefCell::new(None) };
}

/// One statement with one parameter and one row.
pub(crate) async fn select() -> Answer {
    let kept = POSTGRES.with_borrow(Clone::clone);
    let connection = match kept {
        Some(connection) => connection,
        None => match Postgres::open_async(variable("database_url").await).await {
            Ok(opened) => Rc::new(opened),
            Err(error) => return text(500, format!("{error:?}")),
        },
    };
    POSTGRES.set(Some(Rc::clone(&connection)));
    let parameters = vec![ParameterValue::Int64(41)];
    match connection.query_async("select $1::bigint + 1".to_owned(), parameters).await {
        Ok((_, mut rows, _)) => text(200, format!("{:?}", rows.next().await)),
        Err(error) => text(500, format!("{error:?}")),
    }
}

/// One GET of one key.
pub(crate) async fn get() -> Answer {
    let kept = REDIS.with_borrow(Clone::clone);
    let connection = match kept {
        Some(connection) => connection,
        None => match Redis::open(&variable("redis_url").await).await {
            Ok(opened) => Rc::new(opened),
            Err(error) => return text(500, format!("{error:?}")),
        },
    };
    REDIS.set(Some(Rc::clone(&connection)));
    match connection.get("bench").await {
        Ok(value) => text(200, String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()),
        Err(error) => text(500, format!("{error:?}")),
    }
}

async fn variable(name: &str) -> String {
    spin_sdk::variables::get(name).await.unwrap_or_default()
}
