//! The `calls` stream: Redis says at once what Postgres would say a second later.
//!
//! Losing Redis loses nothing: the sweep finds every call. So errors here cost a pause and a
//! new connection, and a stream or group that has vanished is made again. An entry is
//! acknowledged once Postgres has answered for its call, whatever the answer was.

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, RedisResult};
use std::time::Duration;
use talkif_model::CallId;

const GROUP: &str = "dialers";
const BLOCK: Duration = Duration::from_secs(2);
/// Longer than a blocking read.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Entries of a consumer that has been silent for this long are taken over.
const ABANDONED: Duration = Duration::from_secs(30);
const COUNT: usize = 32;

/// An entry that names a call.
#[derive(Debug)]
pub(super) struct Entry {
    id: String,
    /// Absent where the entry is not one of ours: acknowledged and forgotten.
    pub(super) call_id: Option<CallId>,
}

impl From<&StreamId> for Entry {
    fn from(entry: &StreamId) -> Self {
        let call_id = entry.get::<String>("call_id").and_then(|text| text.parse().ok());
        Self { id: entry.id.clone(), call_id }
    }
}

/// One consumer of the stream.
pub(crate) struct CallStream {
    client: redis::Client,
    key: String,
    consumer: String,
    connection: Option<MultiplexedConnection>,
}

impl CallStream {
    /// `consumer` is best the same after a restart: Redis never forgets one.
    pub(crate) const fn new(client: redis::Client, key: String, consumer: String) -> Self {
        Self { client, key, consumer, connection: None }
    }

    /// The next entries, after at most two seconds; none is an answer too.
    pub(super) async fn read(&mut self) -> RedisResult<Vec<Entry>> {
        let result = self.try_read().await;
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    async fn try_read(&mut self) -> RedisResult<Vec<Entry>> {
        let (key, consumer) = (self.key.clone(), self.consumer.clone());
        let connection = self.connect().await?;
        let abandoned: StreamAutoClaimReply = connection
            .xautoclaim_options(
                &key,
                GROUP,
                &consumer,
                ABANDONED.as_millis() as u64,
                "0-0",
                redis::streams::StreamAutoClaimOptions::default().count(COUNT),
            )
            .await?;
        if !abandoned.claimed.is_empty() {
            return Ok(abandoned.claimed.iter().map(Entry::from).collect());
        }
        let options = StreamReadOptions::default()
            .group(GROUP, &consumer)
            .count(COUNT)
            .block(BLOCK.as_millis() as usize);
        let reply: Option<StreamReadReply> = connection.xread_options(&[&key], &[">"], &options).await?;
        let streams = reply.map(|reply| reply.keys).unwrap_or_default();
        Ok(streams.iter().flat_map(|stream| &stream.ids).map(Entry::from).collect())
    }

    /// Postgres has answered for this entry's call: the stream need not keep it.
    pub(super) async fn acknowledge(&mut self, entry: &Entry) -> RedisResult<()> {
        let key = self.key.clone();
        let connection = self.connect().await?;
        let () = connection.xack(&key, GROUP, &[&entry.id]).await?;
        connection.xdel(&key, &[&entry.id]).await
    }

    async fn connect(&mut self) -> RedisResult<&mut MultiplexedConnection> {
        if self.connection.is_none() {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(Duration::from_secs(2)))
                .set_response_timeout(Some(RESPONSE_TIMEOUT));
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            make_group(&mut connection, &self.key).await?;
            self.connection = Some(connection);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| redis::RedisError::from((redis::ErrorKind::Io, "not connected")))
    }
}

/// From the first entry on: what was added before any dialer ran counts too.
async fn make_group(connection: &mut MultiplexedConnection, key: &str) -> RedisResult<()> {
    match connection.xgroup_create_mkstream::<_, _, _, ()>(key, GROUP, "0").await {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other,
    }
}
