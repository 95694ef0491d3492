//! The product's own leads component on this host, with stores that freeze, die and come back.

use crate::support::{Host, Reply, build};
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use talkif_api::bootstrap::{Bootstrap, FlowPlan, KeyPlan, NumberPlan, bootstrap};
use talkif_api::{App, Clock, Config, Limits, Ports, RedisAway, Rng, Streams};
use talkif_embedded::{Postgres, Redis};
use talkif_model::Region;
use talkif_rules::api_key::Mode;
use talkif_rules::flow::Format;
use talkif_rules::secret::{SealingKey, new_key};
use talkif_store::native;

const FLOW: &str = "id: flow_pricing\nmatch:\n  source: web_form\nqualify:\n  - need\n";

/// One edge with stores of its own, and a key.
struct Edge {
    host: Host,
    postgres: Postgres,
    redis: Redis,
    key: String,
    _folder: Folder,
}

/// Removed after the stores, whose data it holds.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies among temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Edge {
    async fn start(name: &str) -> Edge {
        let folder = std::env::temp_dir().join(format!("talkif-test-{name}-{}", std::process::id()));
        // Durable ones: they are to be killed and started again.
        let postgres = Postgres::start(&folder.join("postgres")).await.unwrap();
        let redis = Redis::start(&folder.join("redis")).await.unwrap();
        let url = postgres.url("postgres");
        native::migrate_directory(&url).await.unwrap();
        native::migrate_region(&url).await.unwrap();
        let key = account(&url).await;
        let host = host(&postgres, &redis).await;
        Edge { host, postgres, redis, key, _folder: Folder(folder) }
    }

    /// Posts a lead of its own.
    async fn lead(&self, number: u32) -> Reply {
        let authorization = format!("Bearer {}", self.key);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = json!({"source": "web_form", "phone": format!("+9053212342{number:02}"), "consent": true});
        self.host.post_with("/v1/leads", &headers, &body.to_string()).await
    }

    /// Posts leads until one is taken.
    async fn recovers(&self) {
        for _ in 0..60 {
            if self.lead(99).await.status == 202 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("it did not recover");
    }
}

/// The leads component with its part of the product's own manifest.
async fn host(postgres: &Postgres, redis: &Redis) -> Host {
    build("talkif-component-leads");
    let mut manifest: toml::Table = include_str!("../../../spin.toml").parse().unwrap();
    manifest["component"].as_table_mut().unwrap().retain(|name, _| name == "leads");
    let triggers = manifest["trigger"]["http"].as_array_mut().unwrap();
    triggers.retain(|trigger| trigger["component"].as_str() == Some("leads"));
    let local = |port: u16| format!("127.0.0.1:{port}");
    let set = [
        ("REGION", "eu-west".to_owned()),
        ("DATABASE_URL", postgres.url("postgres")),
        ("DIRECTORY_URL", postgres.url("postgres")),
        ("REDIS_URL", redis.url()),
        ("DATABASE_HOST", local(postgres.port())),
        ("DIRECTORY_HOST", local(postgres.port())),
        ("REDIS_HOST", local(redis.port())),
    ];
    // Required of the application, though this component is not given them.
    let unused = ["FERNET_KEY", "PUBLIC_URL", "ARTIFACTS_URL", "ARTIFACTS_KEY"];
    let value = move |name: &str| {
        let name = name.strip_prefix("SPIN_VARIABLE_")?;
        let given = set.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
        given.or_else(|| unused.contains(&name).then(|| "unused".to_owned()))
    };
    Host::start_in(&manifest.to_string(), &[], value).await
}

/// An account with a flow and a number; returns its key.
async fn account(url: &str) -> String {
    let db = Arc::new(native::connect(url).await.unwrap());
    let config = Config {
        region: Region::EuWest,
        public_url: None,
        artifacts: None,
        sealing_key: Some(Arc::new(SealingKey::parse(&new_key([9; 32])).unwrap())),
        local_mode: false,
        trust_forwarded: false,
    };
    let ports = Ports {
        db: db.clone(),
        directory: db,
        limits: Arc::new(World),
        streams: Arc::new(World),
        clock: Arc::new(World),
        rng: Arc::new(World),
        config: Arc::new(config),
    };
    let plan = Bootstrap {
        account: "helena".to_owned(),
        home: Region::EuWest,
        strict_residency: false,
        edges: Vec::new(),
        key: KeyPlan { name: "edge".to_owned(), mode: Mode::Live, renew: false },
        flows: vec![FlowPlan { source: FLOW.to_owned(), format: Format::Yaml }],
        numbers: vec![NumberPlan {
            phone: "+902125550100".parse().unwrap(),
            friendly_name: None,
            termination_uri: "127.0.0.1:5060".to_owned(),
            transport: "udp".to_owned(),
            credentials: None,
            flow_id: None,
        }],
        webhooks: Vec::new(),
    };
    bootstrap(&App::new(ports), plan).await.unwrap().api_key.unwrap()
}

/// What setting up an account needs of the world.
struct World;

impl Clock for World {
    fn now_us(&self) -> i64 {
        jiff::Timestamp::now().as_microsecond()
    }
}

impl Rng for World {
    fn fill(&self, bytes: &mut [u8]) {
        use std::hash::{BuildHasher, Hasher, RandomState};
        bytes.fill_with(|| RandomState::new().build_hasher().finish().to_le_bytes()[0]);
    }
}

#[async_trait::async_trait]
impl Limits for World {
    async fn eval(&self, _: &str, _: &str, _: &[String]) -> Result<Vec<i64>, RedisAway> {
        Err(RedisAway("not needed".to_owned()))
    }
}

#[async_trait::async_trait]
impl Streams for World {
    async fn append(&self, _: &str, _: &[(&str, String)]) -> Result<(), RedisAway> {
        Err(RedisAway("not needed".to_owned()))
    }
}

/// Every process below `parent`.
fn below(parent: u32) -> Vec<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    children.into_iter().flat_map(|child| [vec![child], below(child)].concat()).collect()
}

/// Sends `signal` to everything below the supervisor of a store.
fn signal(supervisor: u32, signal: &str) {
    let pids: Vec<String> = below(supervisor).iter().map(ToString::to_string).collect();
    assert!(!pids.is_empty(), "the store runs");
    // One of several processes may have ended meanwhile.
    Command::new("kill").arg(format!("-{signal}")).args(&pids).output().unwrap();
}

/// 503, and not the 504 of a host that had to give up.
fn assert_away(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("service_unavailable")), "{reply:?}");
    assert_eq!(reply.headers["retry-after"], "5");
    assert_eq!(reply.headers["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_the_answer_is_503_until_it_is_back() {
    let mut edge = Edge::start("frozen-pg").await;
    assert_eq!(edge.lead(1).await.status, 202);

    signal(edge.postgres.supervisor_pid(), "STOP");
    // First over a connection there was, then over a new one.
    for number in [2, 3] {
        assert_away(&edge.lead(number).await);
    }
    signal(edge.postgres.supervisor_pid(), "CONT");
    edge.recovers().await;

    signal(edge.postgres.supervisor_pid(), "KILL");
    assert_away(&edge.lead(4).await);
    edge.postgres.restart().await.unwrap();
    edge.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_leads_are_taken_all_the_same() {
    let mut edge = Edge::start("frozen-redis").await;
    assert_eq!(edge.lead(1).await.status, 202);
    signal(edge.redis.supervisor_pid(), "STOP");
    for number in [2, 3] {
        assert_eq!(edge.lead(number).await.status, 202);
    }
    signal(edge.redis.supervisor_pid(), "CONT");
    assert_eq!(edge.lead(4).await.status, 202);
    signal(edge.redis.supervisor_pid(), "KILL");
    assert_eq!(edge.lead(5).await.status, 202);
    edge.redis.restart().await.unwrap();
    assert_eq!(edge.lead(6).await.status, 202);
    drop(edge);
}
