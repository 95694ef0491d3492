//! The rival of the edge: the same work served natively, with no component between.
//!
//! `/v1/…` is the product's own router over sqlx and redis, so that both sides run the same
//! statements. `/hello`, `/select` and `/get` are what anybody would write with axum. It runs as a
//! process of its own, as the component host does.

use crate::demo::System;
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use redis::aio::ConnectionManager;
use sqlx::PgPool;
use std::sync::Arc;
use talkif_api::ports::{Config, Limits, Ports, RedisAway, Streams};
use talkif_api::{App, whole_router};
use talkif_model::Region;
use talkif_rules::secret::SealingKey;
use talkif_store::native;

/// What the rival needs to know; all of it from the environment, because it holds secrets.
struct Settings {
    database_url: String,
    directory_url: String,
    redis_url: String,
    fernet_key: String,
}

impl Settings {
    fn from_env() -> Result<Self> {
        let named = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            database_url: named("DATABASE_URL")?,
            directory_url: named("DIRECTORY_URL")?,
            redis_url: named("REDIS_URL")?,
            fernet_key: named("FERNET_KEY")?,
        })
    }
}

/// Serves until the process is ended; writes its address to `ready`.
pub(crate) async fn serve(ready: &std::path::Path) -> Result<()> {
    let settings = Settings::from_env()?;
    let redis = ConnectionManager::new(redis::Client::open(settings.redis_url.as_str())?).await?;
    let pool = PgPool::connect(&settings.database_url).await?;
    let plain = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/select", get(select))
        .route("/get", get(get_key))
        .with_state((pool, redis.clone()));
    let app = App::new(ports(&settings, redis).await?);
    let router = plain.merge(whole_router(Arc::new(app)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    std::fs::write(ready, format!("{}\n", listener.local_addr()?))?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Without it, answers wait for the client's delayed acknowledgement.
        let _best_effort = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("serving")
}

type Stores = (PgPool, ConnectionManager);

async fn select(State((pool, _)): State<Stores>) -> Result<String, StatusCode> {
    let row: Result<i64, _> = sqlx::query_scalar("select $1::bigint + 1").bind(41_i64).fetch_one(&pool).await;
    row.map(|value| value.to_string()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn get_key(State((_, mut redis)): State<Stores>) -> Result<String, StatusCode> {
    let value: Result<Option<String>, _> = redis::cmd("GET").arg("bench").query_async(&mut redis).await;
    value.map(Option::unwrap_or_default).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn ports(settings: &Settings, redis: ConnectionManager) -> Result<Ports> {
    let redis = Arc::new(NativeRedis(redis));
    Ok(Ports {
        db: Arc::new(native::connect(&settings.database_url).await?),
        directory: Arc::new(native::connect(&settings.directory_url).await?),
        limits: redis.clone(),
        streams: redis,
        clock: Arc::new(System),
        rng: Arc::new(System),
        config: Arc::new(Config {
            region: Region::EuWest,
            public_url: None,
            artifacts: None,
            sealing_key: Some(Arc::new(SealingKey::parse(&settings.fernet_key).context("FERNET_KEY")?)),
            local_mode: true,
            trust_forwarded: false,
        }),
    })
}

struct NativeRedis(ConnectionManager);

impl NativeRedis {
    async fn query<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, RedisAway> {
        command.query_async(&mut self.0.clone()).await.map_err(|error| RedisAway(error.to_string()))
    }
}

#[async_trait]
impl Limits for NativeRedis {
    async fn eval(&self, script: &str, key: &str, args: &[String]) -> Result<Vec<i64>, RedisAway> {
        self.query(redis::cmd("EVAL").arg(script).arg(1).arg(key).arg(args)).await
    }
}

#[async_trait]
impl Streams for NativeRedis {
    async fn append(&self, stream: &str, fields: &[(&str, String)]) -> Result<(), RedisAway> {
        let mut command = redis::cmd("XADD");
        command.arg(stream).arg("MAXLEN").arg("~").arg(100_000).arg("*");
        for (name, value) in fields {
            command.arg(name).arg(value);
        }
        self.query::<String>(&command).await.map(drop)
    }
}
