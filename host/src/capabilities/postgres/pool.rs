//! One pool of connections per address, shared by all components.

use super::binding::wire::Error;
use super::errors::{chain, connection_failed};
use super::session::PooledSession;
use super::{Database, Session};
use crate::capabilities::tls::PostgresTls;
use async_trait::async_trait;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_postgres::Config;

/// Connections per address; who comes when all are taken waits.
const POOL_SIZE: usize = 64;
/// Addresses with a pool. Guests build addresses from variables, so there are few in practice.
const MAX_POOLS: usize = 64;
/// How long connecting may take, and how long a connection may be waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The pools by address.
#[derive(Default)]
pub(super) struct Pools(Mutex<HashMap<String, Pool>>);

impl Pools {
    fn get(&self, address: &str) -> Result<Pool, Error> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(address) {
            return Ok(pool.clone());
        }
        if pools.len() >= MAX_POOLS {
            // Connections in use keep their pool alive until they are returned.
            pools.clear();
        }
        let pool = create(address)?;
        pools.insert(address.to_owned(), pool.clone());
        Ok(pool)
    }
}

#[async_trait]
impl Database for Pools {
    async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error> {
        let client = self.get(address)?.get().await.map_err(|error| connection_failed(&error))?;
        Ok(Arc::new(PooledSession::new(client)))
    }
}

/// A recycled connection is cleaned as in Spin: settings, cursors, locks and temporary tables of
/// its last user go, prepared statements stay.
fn create(address: &str) -> Result<Pool, Error> {
    let config: Config = address.parse().map_err(|error: tokio_postgres::Error| connection_failed(&error))?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Clean };
    Pool::builder(Manager::from_config(config, PostgresTls, recycling))
        .max_size(POOL_SIZE)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .build()
        .map_err(|error| Error::ConnectionFailed(chain(&error)))
}
