//! `spin:redis`: Redis for guests.
//!
//! - the port: [`Server`] and [`Session`], one command at a time;
//! - the real client: [`client`];
//! - the [`binding`] of the interface to the port, with [`reply`] flattening what comes back.

mod binding;
mod client;
mod reply;

pub(crate) use binding::link;

use super::OutboundHosts;
use async_trait::async_trait;
use binding::wire::Error;
use redis::{Cmd, RedisResult, Value};
use std::fmt;
use std::sync::Arc;

/// Opens sessions.
#[async_trait]
pub(crate) trait Server: Send + Sync {
    /// A connection to `address`.
    async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error>;
}

/// One connection.
#[async_trait]
pub(crate) trait Session: Send + Sync {
    /// Runs one command.
    async fn run(&self, command: Cmd) -> RedisResult<Value>;
}

/// Redis as one component may use it.
#[derive(Clone)]
pub(crate) struct Redis {
    server: Arc<dyn Server>,
    hosts: Arc<OutboundHosts>,
}

impl Redis {
    /// The real client; no host is allowed yet.
    pub(crate) fn network() -> Redis {
        Redis::over(Arc::new(client::Network))
    }

    fn over(server: Arc<dyn Server>) -> Redis {
        Redis { server, hosts: Arc::default() }
    }

    /// The same client for a component that may reach `hosts`.
    pub(crate) fn restricted_to(&self, hosts: Arc<OutboundHosts>) -> Redis {
        Redis { server: Arc::clone(&self.server), hosts }
    }

    async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error> {
        if !self.hosts.allow_url(address, "redis") {
            tracing::warn!("a component asked for a Redis server it is not allowed");
            return Err(Error::InvalidAddress);
        }
        self.server.open(address).await
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts any address.
    struct Accepting;

    #[async_trait]
    impl Server for Accepting {
        async fn open(&self, _: &str) -> Result<Arc<dyn Session>, Error> {
            Ok(Arc::new(Accepting))
        }
    }

    #[async_trait]
    impl Session for Accepting {
        async fn run(&self, _: Cmd) -> RedisResult<Value> {
            Ok(Value::Okay)
        }
    }

    #[tokio::test]
    async fn a_host_that_is_not_listed_is_an_invalid_address() {
        let hosts = OutboundHosts::parse(&["redis://127.0.0.1:6379".to_owned()]).unwrap();
        let redis = Redis::over(Arc::new(Accepting)).restricted_to(Arc::new(hosts));
        assert!(redis.open("redis://127.0.0.1:6379/0").await.is_ok());
        assert!(matches!(redis.open("redis://localhost:6379").await, Err(Error::InvalidAddress)));
    }
}
