//! From a configuration to a running node.

use crate::line::Line;
use crate::object_store::Folder;
use crate::runner::SessionRunner;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use std::sync::Arc;
use std::time::Duration;
use talkif_config::NodeConfig;
use talkif_providers::Providers;
use talkif_rules::secret::SealingKey;
use talkif_session::{RecordingConfig, RecordingKey, SessionDeps};
use talkif_store::{Db, native};
use talkif_workers::{Ports, RegionClock, Workers, WorkersConfig};

/// A running node.
pub(crate) struct Node {
    line: Line,
    workers: Workers,
}

impl Node {
    /// Starts telephony and workers. Postgres and Redis may be away: the workers wait for them.
    pub(crate) async fn start(config: &NodeConfig) -> Result<Self> {
        let key = recording_key(config.recording_key.expose())?;
        let db: Arc<dyn Db> =
            Arc::new(native::connect_lazily(config.database_url.expose()).context("DATABASE_URL")?);
        let directory: Arc<dyn Db> =
            Arc::new(native::connect_lazily(config.directory_url.expose()).context("DIRECTORY_URL")?);
        let key_of_carriers = Arc::new(SealingKey::parse(config.fernet_key.expose()).context("FERNET_KEY")?);
        let line = Line::start(config, Arc::clone(&db), key_of_carriers).await?;
        let clock = RegionClock::default();
        let ports = Ports {
            db,
            directory,
            telephony: line.telephony(),
            runner: Arc::new(SessionRunner { deps: session_deps(config, key.clone(), &clock)? }),
            clock,
            recordings: Arc::new(Folder { root: config.recordings_dir.clone(), key }),
        };
        let (setup, routes) = (workers_config(config, line.address())?, line.routes());
        let workers = Workers::start_with(setup, ports, routes).await?;
        Ok(Self { line, workers })
    }

    /// Where calls come in.
    pub(crate) fn address(&self) -> String {
        self.line.address()
    }

    /// The telephony, to close it when draining is cut short.
    pub(crate) fn line(&self) -> Line {
        self.line.clone()
    }

    /// Calls under way.
    pub(crate) fn calls(&self) -> usize {
        self.workers.calls()
    }

    /// Lets calls end for at most `patience`, hangs up those that are left, then stops.
    pub(crate) async fn drain(self, patience: Duration) {
        // First, or the emptier it gets, the more callers LiveKit sends, and all are turned away.
        self.line.refuse_new();
        self.workers.drain(patience).await;
        self.line.close().await;
    }
}

fn session_deps(config: &NodeConfig, key: RecordingKey, clock: &RegionClock) -> Result<SessionDeps> {
    let providers = Providers::from_env().context("providers")?;
    let mut deps = SessionDeps::new(Arc::new(providers));
    let clock = clock.clone();
    deps.wall_clock = Arc::new(move || clock.now());
    deps.recording = Some(RecordingConfig { dir: config.recordings_dir.clone(), region: config.region, key });
    Ok(deps)
}

fn workers_config(config: &NodeConfig, sip_address: String) -> Result<WorkersConfig> {
    Ok(WorkersConfig {
        region: config.region,
        node_id: config.node_id.clone(),
        slots: config.slots,
        sip_address,
        redis_url: config.redis_url.expose().to_owned(),
        sealing_key: Arc::new(SealingKey::parse(config.fernet_key.expose()).context("FERNET_KEY")?),
        artifacts_listen: config.artifacts_listen,
        artifacts_url: config.artifacts_url.clone(),
        artifacts_key: hex::decode(config.artifacts_key.expose())
            .context("ARTIFACTS_KEY is not hexadecimal")?,
        local_mode: config.local_mode,
        otlp_endpoint: config.otlp_endpoint.clone(),
    })
}

fn recording_key(text: &str) -> Result<RecordingKey> {
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(text).context("RECORDING_KEY is not base64")?;
    let key: [u8; 32] = bytes.try_into().ok().context("RECORDING_KEY must be 32 bytes")?;
    Ok(RecordingKey(key))
}
