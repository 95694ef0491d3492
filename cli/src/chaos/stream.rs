//! The stream of calls from the side of Redis: what is done to it, and what is left in it.

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamPendingCountReply;
use talkif_model::Region;

/// The dialers' group.
const GROUP: &str = "dialers";
/// A reader that nobody will see again.
const GHOST: &str = "ghost";
const JUNK: usize = 2_000;
/// Entries that the ghost takes with it.
const TAKEN: usize = 40;
/// Longer than a consumer may be silent before others take its entries over.
const LONG_AGO_MS: usize = 600_000;

/// The stream of one region.
pub(super) struct CallStream {
    redis: MultiplexedConnection,
    key: String,
}

impl CallStream {
    pub(super) async fn open(redis_url: &str, region: Region) -> Result<Self> {
        let redis = redis::Client::open(redis_url)?.get_multiplexed_async_connection().await?;
        Ok(Self { redis, key: format!("talkif:{region}:calls") })
    }

    /// FLUSHALL.
    pub(super) async fn empty(mut self) -> Result<()> {
        Ok(redis::cmd("FLUSHALL").query_async(&mut self.redis).await?)
    }

    /// Entries without a call, with a call that is no id, and with one that nobody knows.
    pub(super) async fn fill(mut self) -> Result<()> {
        let mut pipe = redis::pipe();
        add_junk(&mut pipe, &self.key, JUNK);
        Ok(pipe.query_async(&mut self.redis).await?)
    }

    /// Reads what is there and some more, and is never seen again. In one transaction, or the
    /// dialers would be faster.
    pub(super) async fn read_and_die(mut self) -> Result<()> {
        let group =
            redis::cmd("XGROUP").arg("CREATE").arg(&self.key).arg(GROUP).arg("0").arg("MKSTREAM").take();
        // After a FLUSHALL there is none; otherwise it is there already.
        let _there_already: Result<(), _> = group.query_async(&mut self.redis).await;
        let mut pipe = redis::pipe();
        pipe.atomic();
        add_junk(&mut pipe, &self.key, TAKEN);
        let read = pipe.cmd("XREADGROUP").arg("GROUP").arg(GROUP).arg(GHOST).arg("COUNT").arg(1_000);
        read.arg("STREAMS").arg(&self.key).arg(">").ignore();
        Ok(pipe.query_async(&mut self.redis).await?)
    }

    /// What somebody has read and nobody acknowledged, with its reader.
    pub(super) async fn unacknowledged(&mut self) -> Result<Vec<(String, String)>> {
        let mut ask = redis::cmd("XPENDING");
        ask.arg(&self.key).arg(GROUP).arg("-").arg("+").arg(1_000);
        match ask.query_async::<StreamPendingCountReply>(&mut self.redis).await {
            Ok(reply) => Ok(reply.ids.into_iter().map(|entry| (entry.id, entry.consumer)).collect()),
            // A stream that nobody made again after a FLUSHALL holds nothing.
            Err(error) if error.code() == Some("NOGROUP") => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes those entries so old that their readers count as dead.
    pub(super) async fn age(&mut self, entries: &[(String, String)]) -> Result<()> {
        for (id, reader) in entries {
            let mut claim = redis::cmd("XCLAIM");
            claim
                .arg(&self.key)
                .arg(GROUP)
                .arg(reader)
                .arg(0)
                .arg(id)
                .arg("IDLE")
                .arg(LONG_AGO_MS)
                .arg("JUSTID");
            let () = claim.query_async(&mut self.redis).await?;
        }
        Ok(())
    }
}

fn add_junk(pipe: &mut redis::Pipeline, key: &str, count: usize) {
    for index in 0..count {
        let (field, value) = match index % 3 {
            0 => ("junk", "\u{0}\u{1}".repeat(100)),
            1 => ("call_id", "no id at all".to_owned()),
            _ => ("call_id", format!("00000000-0000-7000-8000-{index:012}")),
        };
        pipe.cmd("XADD").arg(key).arg("*").arg(field).arg(value).ignore();
    }
}
