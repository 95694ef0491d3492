//! `spin:postgres`: Postgres for guests, with parameter types as strict as in Spin.
//!
//! - the port: [`Database`] and [`Session`], in terms of the WIT types;
//! - the real client: [`pool`] and [`session`], with [`parameters`] and [`results`] between WIT
//!   and SQL types;
//! - the [`binding`] of the interface to the port;
//! - [`address`]: what an address may name.
//!
//! To support another column type, add it to [`results`], and to [`parameters`] if it can be
//! sent.
#![expect(clippy::result_large_err, reason = "the size of an error is given by the WIT")]

mod address;
mod binding;
mod decimal;
mod errors;
mod interval;
mod parameters;
mod pool;
mod range;
mod results;
mod session;

pub(crate) use binding::link;

use super::OutboundHosts;
use async_trait::async_trait;
use binding::wire::{Column, Error, ParameterValue, Row};
use futures::stream::BoxStream;
use std::fmt;
use std::sync::Arc;

/// The rows of one query, read as they arrive.
pub(crate) struct Rows {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: BoxStream<'static, Result<SizedRow, Error>>,
}

/// A row, and how many bytes it took on the wire.
pub(crate) struct SizedRow {
    pub(crate) values: Row,
    pub(crate) bytes: usize,
}

/// Opens sessions.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// A session with the server at `address`, waiting for a free one if need be.
    async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error>;
}

/// One connection in the hands of one guest.
#[async_trait]
pub(crate) trait Session: Send + Sync {
    /// Runs a statement for its effect and says how many rows it touched.
    async fn execute(
        self: Arc<Self>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Error>;

    /// Runs a statement for its rows.
    async fn query(
        self: Arc<Self>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Rows, Error>;
}

/// Postgres as one component may use it.
#[derive(Clone)]
pub(crate) struct Postgres {
    database: Arc<dyn Database>,
    hosts: Arc<OutboundHosts>,
}

impl Postgres {
    /// The real client; no host is allowed yet.
    pub(crate) fn pooled() -> Postgres {
        Postgres::over(Arc::new(pool::Pools::default()))
    }

    fn over(database: Arc<dyn Database>) -> Postgres {
        Postgres { database, hosts: Arc::default() }
    }

    /// The same client for a component that may reach `hosts`.
    pub(crate) fn restricted_to(&self, hosts: Arc<OutboundHosts>) -> Postgres {
        Postgres { database: Arc::clone(&self.database), hosts }
    }

    async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error> {
        address::check(address, &self.hosts)?;
        self.database.open(address).await
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Notes what was asked for, and refuses.
    #[derive(Default)]
    struct Refusing(Mutex<Vec<String>>);

    #[async_trait]
    impl Database for Refusing {
        async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error> {
            self.0.lock().unwrap().push(address.to_owned());
            Err(Error::ConnectionFailed("nobody home".to_owned()))
        }
    }

    fn restricted(pattern: &str) -> (Arc<Refusing>, Postgres) {
        let database = Arc::new(Refusing::default());
        let hosts = OutboundHosts::parse(&[pattern.to_owned()]).unwrap();
        (Arc::clone(&database), Postgres::over(database).restricted_to(Arc::new(hosts)))
    }

    #[tokio::test]
    async fn a_host_that_is_not_listed_is_never_asked() {
        let (database, postgres) = restricted("postgres://127.0.0.1:5432");
        let error = postgres.open("postgres://u@localhost:5432/db").await.err().unwrap();
        let Error::ConnectionFailed(text) = error else { panic!("{error:?}") };
        assert_eq!(text, "address postgres://localhost:5432 is not permitted");
        assert!(database.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_listed_host_is_asked_in_either_form_of_address() {
        let (database, postgres) = restricted("postgres://127.0.0.1:5432");
        for address in ["postgres://u@127.0.0.1:5432/db", "host=127.0.0.1 user=u"] {
            assert!(postgres.open(address).await.is_err());
            assert_eq!(database.0.lock().unwrap().last().unwrap(), address);
        }
    }
}
