//! The real client: one connection per session, shared by the session's commands.

use super::binding::wire::Error;
use super::{Server, Session};
use crate::capabilities::tls;
use async_trait::async_trait;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, Value};
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Long enough for a blocking read; a request has its own, usually shorter, deadline.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Servers on the network.
pub(super) struct Network;

#[async_trait]
impl Server for Network {
    async fn open(&self, address: &str) -> Result<Arc<dyn Session>, Error> {
        tls::choose_cryptography();
        let client = Client::open(address).map_err(|_| Error::InvalidAddress)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        Ok(Arc::new(Connected(connection.map_err(|error| Error::Other(error.to_string()))?)))
    }
}

struct Connected(MultiplexedConnection);

#[async_trait]
impl Session for Connected {
    async fn run(&self, command: Cmd) -> RedisResult<Value> {
        let mut connection = self.0.clone();
        let reply = connection.req_packed_command(&command).await?;
        reply.extract_error()
    }
}
