//! Postgres and Redis of the region.

use anyhow::Result;
use std::path::Path;
use talkif_embedded::{Postgres, Redis};

/// The region's stores, private ones or those that the environment names.
pub(super) struct Stores {
    /// Ours to start and stop; `None` where the environment names one.
    pub(super) postgres: Option<Postgres>,
    /// The same.
    pub(super) redis: Option<Redis>,
    pub(super) database_url: String,
    pub(super) directory_url: String,
    pub(super) redis_url: String,
}

impl Stores {
    /// The stores that the environment names, or private ones.
    pub(super) async fn start(state: &Path) -> Result<Self> {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (postgres, database_url) = match named("DATABASE_URL") {
            Some(url) => (None, url),
            None => {
                let postgres = Postgres::start(&state.join("postgres")).await?;
                postgres.create_database("talkif").await?;
                let url = postgres.url("talkif");
                (Some(postgres), url)
            }
        };
        let (redis, redis_url) = match named("REDIS_URL") {
            Some(url) => (None, url),
            None => {
                let redis = Redis::start(&state.join("redis")).await?;
                let url = redis.url();
                (Some(redis), url)
            }
        };
        let directory_url = named("DIRECTORY_URL").unwrap_or_else(|| database_url.clone());
        Ok(Self { postgres, redis, database_url, directory_url, redis_url })
    }

    pub(super) fn stop(self) {
        if let Some(redis) = self.redis {
            redis.stop();
        }
        if let Some(postgres) = self.postgres {
            postgres.stop();
        }
    }
}
