//! A region with accounts in it, and a client.

use async_trait::async_trait;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use talkif_api::bootstrap::{Bootstrap, Bootstrapped, FlowPlan, KeyPlan, NumberPlan, bootstrap};
use talkif_api::{App, Artifacts, Clock, Config, Limits, Ports, RedisAway, Rng, Streams, whole_router};
use talkif_embedded::testing::{self, TestRegion};
use talkif_model::{AccountId, Region};
use talkif_rules::api_key::Mode;
use talkif_rules::flow::Format;
use talkif_rules::secret::{SealingKey, new_key};
use tower_service::Service;

pub(crate) const NOW_US: i64 = 1_779_796_800_000_000;
pub(crate) const REQUEST_ID: &str = "request-1";

pub(crate) const FLOW: &str = "\
id: flow_pricing_v3
match:
  source: [web_form, meta_lead_ads]
  intent: pricing
  language: [tr, en]
call:
  within: 60s
  voice: voice_warm_tr
qualify:
  - need
on:
  qualified: book(calendar.mehmet)
  no_answer: retry(15m, max=3)
  not_fit: log(\"out_of_scope\")
";

pub(crate) struct World {
    pub(crate) region: TestRegion,
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) redis: Arc<TestRedis>,
}

/// An account with one flow, one number and a key for everything.
pub(crate) struct Tenant {
    pub(crate) account: AccountId,
    pub(crate) key: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::in_region(Region::EuWest, false).await
    }

    pub(crate) async fn in_region(region_name: Region, local_mode: bool) -> Self {
        let region = testing::region().await;
        let clock = Arc::new(FakeClock(AtomicI64::new(NOW_US)));
        let client = redis::Client::open(region.redis_url.as_str()).unwrap();
        let redis = Arc::new(TestRedis { client, away: AtomicBool::new(false) });
        let ports = Ports {
            db: region.db.clone(),
            directory: region.db.clone(),
            limits: redis.clone(),
            streams: redis.clone(),
            clock: clock.clone(),
            rng: Arc::new(CountingRng(AtomicU64::new(1))),
            config: Arc::new(config(region_name, local_mode)),
        };
        Self { region, app: Arc::new(App::new(ports)), clock, redis }
    }

    /// The same databases with nothing remembered, as another instance sees them.
    pub(crate) fn fresh_instance(&self) -> Arc<App> {
        Arc::new(App::new(self.app.ports.clone()))
    }

    pub(crate) async fn tenant(&self, name: &str, phone: &str) -> Tenant {
        let made = self.bootstrap(plan(name, phone)).await;
        Tenant { account: made.account, key: made.api_key.unwrap() }
    }

    pub(crate) async fn bootstrap(&self, plan: Bootstrap) -> Bootstrapped {
        bootstrap(&self.app, plan).await.unwrap()
    }

    pub(crate) fn post<'a>(&'a self, path: &str, key: &str, body: &Value) -> Call<'a> {
        self.call("POST", path).key(key).json(body)
    }

    pub(crate) fn get<'a>(&'a self, path: &str, key: &str) -> Call<'a> {
        self.call("GET", path).key(key)
    }

    pub(crate) fn delete<'a>(&'a self, path: &str, key: &str) -> Call<'a> {
        self.call("DELETE", path).key(key)
    }

    pub(crate) fn call<'a>(&'a self, method: &str, path: &str) -> Call<'a> {
        let request = http::Request::builder().method(method).uri(path).header("x-request-id", REQUEST_ID);
        Call { app: &self.app, request, body: Vec::new() }
    }

    pub(crate) fn sealing_key(&self) -> &SealingKey {
        self.app.ports.config.sealing_key.as_deref().unwrap()
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&self.region.pool).await.unwrap().get(0)
    }

    pub(crate) async fn text(&self, sql: &str) -> Option<String> {
        let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_optional(&self.region.pool).await.unwrap();
        row.and_then(|row| row.get(0))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.region.pool).await.unwrap();
    }
}

pub(crate) fn plan(name: &str, phone: &str) -> Bootstrap {
    Bootstrap {
        account: name.to_owned(),
        home: Region::EuWest,
        strict_residency: false,
        edges: vec![(Region::EuWest, "https://eu-west.example".to_owned())],
        key: KeyPlan { name: "bootstrap".to_owned(), mode: Mode::Live, renew: false },
        flows: vec![FlowPlan { source: FLOW.to_owned(), format: Format::Yaml }],
        numbers: vec![NumberPlan {
            phone: phone.parse().unwrap(),
            friendly_name: None,
            termination_uri: "127.0.0.1:5060".to_owned(),
            transport: "udp".to_owned(),
            credentials: Some(("trunk".to_owned(), "secret password".to_owned())),
            flow_id: None,
        }],
        webhooks: Vec::new(),
    }
}

pub(crate) fn config(region: Region, local_mode: bool) -> Config {
    Config {
        region,
        public_url: Some("https://api.example".to_owned()),
        artifacts: Some(Artifacts { url: "https://artifacts.example".to_owned(), key: vec![7; 32] }),
        sealing_key: Some(Arc::new(SealingKey::parse(&new_key([9; 32])).unwrap())),
        local_mode,
        trust_forwarded: false,
    }
}

pub(crate) struct Call<'a> {
    app: &'a Arc<App>,
    request: http::request::Builder,
    body: Vec<u8>,
}

impl<'a> Call<'a> {
    pub(crate) fn on(mut self, app: &'a Arc<App>) -> Self {
        self.app = app;
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text("application/json", &body.to_string())
    }

    pub(crate) fn text(mut self, content_type: &str, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("content-type", content_type)
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(Body::from(self.body)).unwrap();
        let response = whole_router(self.app.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        if parts.status != 204 {
            let length: usize = parts.headers["content-length"].to_str().unwrap().parse().unwrap();
            assert_eq!(length, bytes.len(), "every response says how long it is");
        }
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }
}

pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    pub(crate) fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Different bytes at every call, the same ones in every run.
struct CountingRng(AtomicU64);

impl Rng for CountingRng {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        for (at, byte) in bytes.iter_mut().rev().enumerate() {
            *byte = count.get(7_usize.wrapping_sub(at)).copied().unwrap_or(0x5a);
        }
    }
}

pub(crate) struct TestRedis {
    client: redis::Client,
    pub(crate) away: AtomicBool,
}

impl TestRedis {
    async fn connection(&self) -> Result<redis::aio::MultiplexedConnection, RedisAway> {
        if self.away.load(Ordering::SeqCst) {
            return Err(RedisAway("switched off by the test".to_owned()));
        }
        Ok(self.client.get_multiplexed_async_connection().await.unwrap())
    }

    /// The entries of a stream, as `field=value` texts.
    pub(crate) async fn entries(&self, stream: &str) -> Vec<redis::streams::StreamId> {
        let mut connection = self.connection().await.unwrap();
        let reply: redis::streams::StreamRangeReply =
            redis::cmd("XRANGE").arg(stream).arg("-").arg("+").query_async(&mut connection).await.unwrap();
        reply.ids
    }
}

#[async_trait]
impl Limits for TestRedis {
    async fn eval(&self, script: &str, key: &str, args: &[String]) -> Result<Vec<i64>, RedisAway> {
        let mut connection = self.connection().await?;
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(key).arg(args);
        Ok(command.query_async(&mut connection).await.unwrap())
    }
}

#[async_trait]
impl Streams for TestRedis {
    async fn append(&self, stream: &str, fields: &[(&str, String)]) -> Result<(), RedisAway> {
        let mut connection = self.connection().await?;
        let mut command = redis::cmd("XADD");
        command.arg(stream).arg("*");
        for (name, value) in fields {
            command.arg(*name).arg(value);
        }
        command.query_async::<String>(&mut connection).await.unwrap();
        Ok(())
    }
}
