//! All workers of a node, started and stopped together.

use crate::artifacts::{self, ArtifactServer};
use crate::clock::RegionClock;
use crate::courier::{Courier, CourierConfig};
use crate::dialer::{CallStream, Dialer, DialerSetup};
use crate::directory::Directory;
use crate::fresh;
use crate::inbound::Inbound;
use crate::janitor::Janitor;
use crate::journal::{ArtifactLinks, JournalSetup};
use crate::live::Live;
use crate::otlp::Exporter;
use crate::recordings::Recordings;
use crate::runner::{CallRunner, Stage};
use crate::running::{RENEWAL, Running};
use crate::shutdown::Shutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_model::Region;
use talkif_rules::secret::SealingKey;
use talkif_store::{Db, DbError, Param, nodes};
use talkif_telephony::Telephony;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

/// How long a node that stops waits for the collector of its traces.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// How a node is set up.
pub struct WorkersConfig {
    /// The node's region.
    pub region: Region,
    /// The node's name, for people; a restarted node may keep it.
    pub node_id: String,
    /// Calls at the same time, both directions.
    pub slots: usize,
    /// Where the node takes SIP, for its record.
    pub sip_address: String,
    /// `redis://…`.
    pub redis_url: String,
    /// Opens SIP passwords and webhook secrets.
    pub sealing_key: Arc<SealingKey>,
    /// Where signed addresses are served; port 0 takes a free one.
    pub artifacts_listen: SocketAddr,
    /// The public base of signed addresses.
    pub artifacts_url: String,
    /// Signs them.
    pub artifacts_key: Vec<u8>,
    /// Webhooks may go to loopback.
    pub local_mode: bool,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_endpoint: Option<String>,
}

/// What a node brings along.
#[derive(Clone)]
pub struct Ports {
    /// The region's database.
    pub db: Arc<dyn Db>,
    /// The directory, or a replica of it: says which accounts are suspended.
    pub directory: Arc<dyn Db>,
    /// Learns the region's time of day here, and tells it to whoever has a clone.
    pub clock: RegionClock,
    /// Places and takes calls.
    pub telephony: Arc<dyn Telephony>,
    /// Holds a call.
    pub runner: Arc<dyn CallRunner>,
    /// The object store.
    pub recordings: Arc<dyn Recordings>,
}

/// Why the workers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of Redis makes no sense.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// An HTTP client cannot be built.
    #[error("http client: {0}")]
    Http(#[from] reqwest::Error),
    /// Nothing can listen at the artifacts' address.
    #[error("artifacts: {0}")]
    Listen(#[from] std::io::Error),
}

/// The running workers of a node.
pub struct Workers {
    shutdown: Shutdown,
    /// Asked once all calls are over, so that their outcomes are still carried.
    last_orders: Shutdown,
    /// Dialer, courier, janitor …: return when asked to.
    duties: TaskTracker,
    /// Calls under way.
    calls: TaskTracker,
    /// Work that goes on until the very end: leases, live events, artifacts.
    background: tokio::task::JoinSet<()>,
    artifacts_address: SocketAddr,
    running: Running,
    db: Arc<dyn Db>,
    exporter: Option<Exporter>,
    node_id: String,
}

impl Workers {
    /// Starts all workers.
    ///
    /// # Errors
    /// [`StartError`]. A database or Redis that is away is none: the workers wait for them.
    pub async fn start(config: WorkersConfig, ports: Ports) -> Result<Self, StartError> {
        Self::start_with(config, ports, axum::Router::new()).await
    }

    /// The same; `routes` are served beside the artifacts.
    ///
    /// # Errors
    /// As [`Workers::start`].
    pub async fn start_with(
        config: WorkersConfig,
        ports: Ports,
        routes: axum::Router,
    ) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.artifacts_listen).await?;
        let mut workers = Self {
            shutdown: Shutdown::default(),
            last_orders: Shutdown::default(),
            duties: TaskTracker::new(),
            calls: TaskTracker::new(),
            background: tokio::task::JoinSet::new(),
            artifacts_address: listener.local_addr()?,
            running: Running::default(),
            db: Arc::clone(&ports.db),
            exporter: None,
            node_id: config.node_id.clone(),
        };
        workers.spawn_all(config, ports, listener, routes)?;
        Ok(workers)
    }

    fn spawn_all(
        &mut self,
        config: WorkersConfig,
        ports: Ports,
        listener: TcpListener,
        routes: axum::Router,
    ) -> Result<(), StartError> {
        let redis = redis::Client::open(config.redis_url.as_str())?;
        let region = config.region.as_str();
        let exporter =
            config.otlp_endpoint.as_deref().map(|endpoint| Exporter::new(endpoint, region)).transpose()?;
        self.exporter.clone_from(&exporter);
        let (live, feed) = Live::new(redis.clone(), format!("talkif:{region}:events"));
        let journal = JournalSetup {
            db: Arc::clone(&ports.db),
            clock: ports.clock.clone(),
            region: config.region,
            links: ArtifactLinks {
                base: config.artifacts_url.as_str().into(),
                key: config.artifacts_key.as_slice().into(),
            },
            live,
            exporter,
            courier: Arc::new(Notify::new()),
        };
        // A restarted node must not take its predecessor's leases for its own.
        let owner = format!("{}/{}", config.node_id, fresh::span_id());
        let stage = Stage { runner: ports.runner.clone(), running: self.running.clone(), journal };
        self.background.spawn(feed);
        self.spawn_calls(&config, &ports, &stage, &owner, redis);
        self.spawn_upkeep(&config, &ports, &stage, &owner)?;
        self.spawn_artifacts(&config, &ports, listener, routes);
        Ok(())
    }

    fn spawn_calls(
        &mut self,
        config: &WorkersConfig,
        ports: &Ports,
        stage: &Stage,
        owner: &str,
        redis: redis::Client,
    ) {
        let slots = Arc::new(Semaphore::new(config.slots));
        let directory = Arc::new(Directory::new(Arc::clone(&ports.directory)));
        let dialer = Dialer::new(DialerSetup {
            stage: stage.clone(),
            telephony: Arc::clone(&ports.telephony),
            directory: Arc::clone(&directory),
            sealing_key: Arc::clone(&config.sealing_key),
            slots: Arc::clone(&slots),
            owner: owner.to_owned(),
            calls: self.calls.clone(),
        });
        let stream =
            CallStream::new(redis, format!("talkif:{}:calls", config.region), config.node_id.clone());
        self.duties.spawn(Arc::clone(&dialer).follow(stream, self.shutdown.clone()));
        self.duties.spawn(dialer.sweep(self.shutdown.clone()));
        let inbound = Inbound {
            stage: stage.clone(),
            telephony: Arc::clone(&ports.telephony),
            directory,
            slots,
            owner: owner.to_owned(),
            calls: self.calls.clone(),
            shutdown: self.shutdown.clone(),
        };
        self.background.spawn(inbound.run());
    }
}

impl Workers {
    fn spawn_upkeep(
        &mut self,
        config: &WorkersConfig,
        ports: &Ports,
        stage: &Stage,
        owner: &str,
    ) -> Result<(), StartError> {
        let courier = Courier::new(CourierConfig {
            db: Arc::clone(&ports.db),
            clock: ports.clock.clone(),
            owner: owner.to_owned(),
            sealing_key: Arc::clone(&config.sealing_key),
            local_mode: config.local_mode,
            exporter: stage.journal.exporter.clone(),
            wake: Arc::clone(&stage.journal.courier),
        })?;
        self.duties.spawn(courier.run(self.last_orders.clone()));
        let janitor = Janitor {
            journal: stage.journal.clone(),
            recordings: Arc::clone(&ports.recordings),
            owner: owner.to_owned(),
            running: self.running.clone(),
        };
        self.duties.spawn(janitor.run(self.shutdown.clone()));
        self.background.spawn(renew(self.running.clone(), Arc::clone(&ports.db)));
        let heartbeat = Heartbeat::new(config, self.artifacts_address, ports, self.shutdown.clone());
        self.background.spawn(heartbeat.run());
        Ok(())
    }

    fn spawn_artifacts(
        &mut self,
        config: &WorkersConfig,
        ports: &Ports,
        listener: TcpListener,
        routes: axum::Router,
    ) {
        let router = artifacts::router(ArtifactServer {
            db: Arc::clone(&ports.db),
            clock: ports.clock.clone(),
            key: config.artifacts_key.as_slice().into(),
            recordings: Arc::clone(&ports.recordings),
        });
        let router = router.merge(routes);
        self.background.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "artifacts are no longer served");
            }
        });
    }

    /// Where artifacts are served.
    #[must_use]
    pub const fn artifacts_address(&self) -> SocketAddr {
        self.artifacts_address
    }

    /// Calls under way.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.running.count()
    }

    /// Takes no new work, lets calls end and their outcomes go out for at most `patience`, then
    /// stops. Calls that are cut
    /// off keep their leases until a janitor ends them.
    pub async fn drain(mut self, patience: Duration) {
        self.shutdown.ask();
        self.calls.close();
        self.duties.close();
        let done = async {
            self.calls.wait().await;
            self.last_orders.ask();
            self.duties.wait().await;
        };
        if tokio::time::timeout(patience, done).await.is_err() {
            tracing::warn!(calls = self.running.count(), "stopped with calls under way");
        }
        self.last_orders.ask();
        self.background.shutdown().await;
        if let Some(exporter) = &self.exporter {
            exporter.finish(LAST_SPANS).await;
        }
        if let Err(error) = self.db.query(&nodes::FORGET, vec![self.node_id.into()]).await {
            tracing::debug!(%error, "the node's record stays until it is forgotten");
        }
    }
}

/// Renews the leases of all calls until aborted. What failed is tried again soon: after an outage
/// the janitors give everybody no more than two renewals' time.
pub(crate) async fn renew(running: Running, db: Arc<dyn Db>) {
    let mut pause = RENEWAL;
    loop {
        tokio::time::sleep(pause).await;
        pause = RENEWAL / 4;
        // An answer that takes longer is worth less than asking again.
        match tokio::time::timeout(RENEWAL, running.renew(&*db)).await {
            Ok(Ok(())) => pause = RENEWAL,
            Ok(Err(error)) => tracing::warn!(%error, "leases cannot be renewed now"),
            Err(_) => tracing::warn!("leases cannot be renewed in time"),
        }
    }
}

/// Says every few seconds that the node is alive, and is told the time.
struct Heartbeat {
    db: Arc<dyn Db>,
    clock: RegionClock,
    node_id: String,
    region: Region,
    sip_address: String,
    artifacts: String,
    slots: i64,
    shutdown: Shutdown,
}

impl Heartbeat {
    fn new(config: &WorkersConfig, artifacts: SocketAddr, ports: &Ports, shutdown: Shutdown) -> Self {
        Self {
            db: Arc::clone(&ports.db),
            clock: ports.clock.clone(),
            node_id: config.node_id.clone(),
            region: config.region,
            sip_address: config.sip_address.clone(),
            artifacts: format!("http://{artifacts}"),
            slots: i64::try_from(config.slots).unwrap_or(i64::MAX),
            shutdown,
        }
    }

    async fn run(self) {
        loop {
            let params = vec![
                self.node_id.as_str().into(),
                self.region.as_str().into(),
                self.sip_address.as_str().into(),
                self.artifacts.as_str().into(),
                self.slots.into(),
                self.shutdown.is_asked().into(),
            ];
            if let Err(error) = self.beat(params).await {
                tracing::warn!(%error, "no heartbeat");
            }
            tokio::time::sleep(RENEWAL).await;
        }
    }
    async fn beat(&self, params: Vec<Param>) -> Result<(), DbError> {
        let asked = Instant::now();
        if let Some(row) = self.db.query_one(&nodes::HEARTBEAT, params).await? {
            self.clock.learn(asked, row.int("now_us")?);
        }
        Ok(())
    }
}
