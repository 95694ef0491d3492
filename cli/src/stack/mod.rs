//! One region on this machine: Postgres, Redis, edge, node and, without vendors' keys, the lab.
//!
//! Everything listens on loopback and lives under one state folder (`.talkif/` by default).
//! What this module started it stops, in the order: node (drains its calls), edge, lab, stores.

mod binaries;
mod lock;
mod process;
mod secrets;

pub(crate) use binaries::Binaries;
pub(crate) use secrets::Secrets;

use anyhow::{Context as _, Result, bail};
use lock::RunLock;
pub(crate) use process::Process;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use talkif_embedded::{Postgres, Redis};
use talkif_model::Region;

/// How long a process may take to say that it is ready. The first start compiles the components.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// How long a node may go on with its calls when it is told to stop.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(120);
/// The same where its calls are of no interest any more.
pub(crate) const CUT_WITHIN: Duration = Duration::from_secs(2);

/// Which program serves the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Host {
    /// Spin, from PATH.
    Spin,
    /// The built-in component host.
    Builtin,
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where data, logs and keys lie.
    pub(crate) state: PathBuf,
    /// The region to be.
    pub(crate) region: Region,
    /// Port of the API; 0 takes a free one.
    pub(crate) port: u16,
    /// Who serves the components; `None` takes Spin where it is on PATH.
    pub(crate) host: Option<Host>,
    /// Whether the lab's stand-ins answer at once or as slowly as vendors do.
    pub(crate) realistic_delays: bool,
    /// The phone lab even where the vendors' keys are in the environment.
    pub(crate) always_lab: bool,
    /// Calls that the node holds at once.
    pub(crate) slots: usize,
}

/// A running region.
pub(crate) struct Stack {
    /// `http://127.0.0.1:port` of the API.
    pub(crate) api_url: String,
    /// The region's database.
    pub(crate) database_url: String,
    /// The directory database.
    pub(crate) directory_url: String,
    /// The region's Redis.
    pub(crate) redis_url: String,
    /// Keys of this installation.
    pub(crate) secrets: Secrets,
    /// Where the phones are; `None` with real vendors.
    pub(crate) lab: Option<Lab>,
    /// Address on which the node takes inbound calls.
    pub(crate) sip: String,
    /// Where recordings lie, encrypted.
    pub(crate) recordings: PathBuf,
    /// Where the logs lie.
    pub(crate) logs: PathBuf,
    options: Options,
    node: Process,
    edge: Process,
    lab_process: Option<Process>,
    stores: Stores,
    _lock: RunLock,
}

/// The phone lab's addresses.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lab {
    /// `127.0.0.1:port`: the carrier.
    pub(crate) sip: String,
    /// `127.0.0.1:port`: control and vendor stand-ins.
    pub(crate) http: String,
}

/// Credentials of the lab's carrier.
pub(crate) const TRUNK_USER: &str = "talkif-lab";
/// Not a secret: the carrier is a lab on loopback.
pub(crate) const TRUNK_PASSWORD: &str = "lab-trunk-password";

struct Stores {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    database_url: String,
    directory_url: String,
    redis_url: String,
}

impl Stores {
    /// The stores that the environment names, or private ones.
    async fn start(state: &Path) -> Result<Self> {
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

    fn stop(self) {
        if let Some(redis) = self.redis {
            redis.stop();
        }
        if let Some(postgres) = self.postgres {
            postgres.stop();
        }
    }
}

impl Stack {
    /// Starts all of it and returns when the API answers.
    pub(crate) async fn start(options: Options, binaries: &Binaries) -> Result<Self> {
        std::fs::create_dir_all(&options.state)
            .with_context(|| format!("cannot create the state folder {}", options.state.display()))?;
        let lock = RunLock::take(&options.state)?;
        let logs = options.state.join("logs");
        let recordings = options.state.join("recordings");
        std::fs::create_dir_all(&logs)?;
        std::fs::create_dir_all(&recordings)?;
        let secrets = Secrets::load_or_create(&options.state.join("secrets.json"))?;
        refuse_port_in_use(options.port).await?;
        let stores = Stores::start(&options.state).await?;
        talkif_store::native::migrate_directory(&stores.directory_url)
            .await
            .context("directory migrations")?;
        talkif_store::native::migrate_region(&stores.database_url).await.context("region migrations")?;

        let (lab_process, lab) = if !options.always_lab && vendors_are_configured()? {
            (None, None)
        } else {
            let (process, lab) = start_lab(binaries, &options, &logs).await?;
            (Some(process), Some(lab))
        };
        let artifacts = free_port().await?;
        let (edge, api_url) = start_edge(binaries, &options, &logs, &stores, &secrets, artifacts).await?;
        let sip = format!("127.0.0.1:{}", free_port().await?);
        let launch = NodeLaunch {
            stores: &stores,
            secrets: &secrets,
            lab: lab.as_ref(),
            sip: &sip,
            artifacts,
            recordings: &recordings,
        };
        let node = launch.start(binaries, &options, &logs).await?;
        Ok(Self {
            api_url,
            database_url: stores.database_url.clone(),
            directory_url: stores.directory_url.clone(),
            redis_url: stores.redis_url.clone(),
            secrets,
            lab,
            sip,
            recordings,
            logs,
            options,
            node,
            edge,
            lab_process,
            stores,
            _lock: lock,
        })
    }

    /// The options it was started with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The shell that supervises the node.
    pub(crate) fn node_pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// An error if one of the processes has died, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.node.check()?;
        self.edge.check()?;
        self.lab_process.as_mut().map_or(Ok(()), Process::check)
    }

    /// Lets calls go on for at most `drain`, then stops all that was started.
    pub(crate) async fn stop(self, drain: Duration) {
        self.node.stop(drain).await;
        self.edge.stop(Duration::from_secs(5)).await;
        if let Some(lab) = self.lab_process {
            lab.stop(Duration::from_secs(5)).await;
        }
        self.stores.stop();
    }
}

const VENDOR_KEYS: [&str; 3] = ["DEEPGRAM_API_KEY", "OPENAI_API_KEY", "CARTESIA_API_KEY"];

/// The vendors' keys that the environment lacks.
fn missing_vendor_keys() -> Vec<&'static str> {
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    VENDOR_KEYS.into_iter().filter(|name| !is_set(name)).collect()
}

/// With keys of all three vendors in the environment the real ones are used; with none of them,
/// the lab. Some of them is a mistake, and a call to the lab would hide it.
fn vendors_are_configured() -> Result<bool> {
    let missing = missing_vendor_keys();
    if missing.is_empty() || missing.len() == VENDOR_KEYS.len() {
        return Ok(missing.is_empty());
    }
    bail!(
        "some of the vendors' keys are set, but not {}: set all three to call for real, or none to call the \
         phone lab",
        missing.join(" and ")
    )
}

/// A loopback port that was free a moment ago.
async fn free_port() -> Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

async fn start_lab(binaries: &Binaries, options: &Options, logs: &Path) -> Result<(Process, Lab)> {
    let ready = options.state.join("lab.ready.json");
    let mut command = tokio::process::Command::new(binaries.program("talkif-lab")?);
    command
        .args(["--sip", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .args(["--trunk-user", TRUNK_USER, "--trunk-password", TRUNK_PASSWORD])
        .args(["--delays", if options.realistic_delays { "realistic" } else { "none" }])
        .arg("--ready-file")
        .arg(&ready);
    let mut process = Process::start("lab", &command, logs, &ready)?;
    let lab: Lab =
        serde_json::from_str(&process.ready(READY_WITHIN).await?).context("the lab's ready file")?;
    Ok((process, lab))
}

async fn start_edge(
    binaries: &Binaries,
    options: &Options,
    logs: &Path,
    stores: &Stores,
    secrets: &Secrets,
    artifacts: u16,
) -> Result<(Process, String)> {
    let host =
        options.host.unwrap_or_else(|| if binaries.spin().is_some() { Host::Spin } else { Host::Builtin });
    let ready = options.state.join("edge.ready");
    let port = if options.port == 0 { free_port().await? } else { options.port };
    let mut command = match host {
        Host::Spin => binaries.spin_command(&options.state, port)?,
        Host::Builtin => binaries.builtin_command(&options.state, port, &ready)?,
    };
    let api_url = format!("http://127.0.0.1:{port}");
    let variables = [
        ("REGION", options.region.as_str().to_owned()),
        ("DATABASE_URL", guest_address(&stores.database_url)),
        ("DIRECTORY_URL", guest_address(&stores.directory_url)),
        ("REDIS_URL", stores.redis_url.clone()),
        ("FERNET_KEY", secrets.fernet_key.clone()),
        ("PUBLIC_URL", api_url.clone()),
        ("ARTIFACTS_URL", format!("http://127.0.0.1:{artifacts}")),
        ("ARTIFACTS_KEY", secrets.artifacts_key.clone()),
        ("LOCAL_MODE", "true".to_owned()),
    ];
    let hosts = [
        ("DATABASE_HOST", host_and_port(&stores.database_url, 5432)),
        ("DIRECTORY_HOST", host_and_port(&stores.directory_url, 5432)),
        ("REDIS_HOST", host_and_port(&stores.redis_url, 6379)),
    ];
    let hosts = hosts.into_iter().filter_map(|(name, host)| Some((name, host?)));
    for (name, value) in variables.into_iter().chain(hosts) {
        command.env(format!("SPIN_VARIABLE_{name}"), value);
    }
    let mut process = Process::start("edge", &command, logs, &ready)?;
    process.answers(&format!("{api_url}/healthz"), READY_WITHIN).await?;
    Ok((process, api_url))
}

/// `host:port` of a store's address, so that components may reach it and nothing else. `None`
/// where the address names no host.
fn host_and_port(url: &str, usual_port: u16) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match (host.is_empty(), has_port) {
        (true, _) => None,
        (false, true) => Some(host.to_owned()),
        (false, false) => Some(format!("{host}:{usual_port}")),
    }
}

/// Guests get a statement timeout as a belt: an abandoned statement must not hold a connection.
fn guest_address(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!(
        "{url}{separator}options=-c%20statement_timeout%3D10000%20-c%20idle_in_transaction_session_timeout%3D10000"
    )
}

async fn refuse_port_in_use(port: u16) -> Result<()> {
    match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
        Ok(_) => Ok(()),
        Err(error) => {
            bail!("port {port} cannot be used ({}); choose another with --port", error.kind())
        }
    }
}

struct NodeLaunch<'a> {
    stores: &'a Stores,
    secrets: &'a Secrets,
    lab: Option<&'a Lab>,
    sip: &'a str,
    artifacts: u16,
    recordings: &'a Path,
}

impl NodeLaunch<'_> {
    async fn start(&self, binaries: &Binaries, options: &Options, logs: &Path) -> Result<Process> {
        let ready = options.state.join("node.ready");
        let mut command = tokio::process::Command::new(binaries.program("talkif-node")?);
        command
            .args(["--drain-s", &(DRAIN_WITHIN.as_secs() - 5).to_string()])
            .env("TALKIF_REGION", options.region.as_str())
            .env("TALKIF_NODE_ID", format!("local-{}", std::process::id()))
            .env("DATABASE_URL", &self.stores.database_url)
            .env("DIRECTORY_URL", &self.stores.directory_url)
            .env("REDIS_URL", &self.stores.redis_url)
            .env("FERNET_KEY", &self.secrets.fernet_key)
            .env("RECORDING_KEY", &self.secrets.recording_key)
            .env("RECORDINGS_DIR", self.recordings)
            .env("ARTIFACTS_KEY", &self.secrets.artifacts_key)
            .env("ARTIFACTS_LISTEN", format!("127.0.0.1:{}", self.artifacts))
            .env("ARTIFACTS_URL", format!("http://127.0.0.1:{}", self.artifacts))
            .env("SIP_LISTEN", self.sip)
            .env("TALKIF_LOCAL_MODE", "1")
            .env("TALKIF_SLOTS", options.slots.to_string())
            .env("TALKIF_READY_FILE", &ready);
        if let Some(lab) = self.lab {
            command
                .env("DEEPGRAM_API_KEY", "lab")
                .env("DEEPGRAM_URL", format!("http://{}/deepgram/", lab.http))
                .env("OPENAI_API_KEY", "lab")
                .env("OPENAI_BASE_URL", format!("http://{}/openai/v1", lab.http))
                .env("CARTESIA_API_KEY", "lab")
                .env("CARTESIA_URL", format!("ws://{}/cartesia", lab.http));
        }
        let mut process = Process::start("node", &command, logs, &ready)?;
        process.ready(READY_WITHIN).await?;
        Ok(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_may_reach_the_stores_of_the_addresses() {
        let table = [
            ("postgres://talkif:p%40ss@127.0.0.1:5433/talkif", Some("127.0.0.1:5433")),
            ("postgres://db.example/talkif?sslmode=require", Some("db.example:5432")),
            ("postgres://u@[::1]/talkif", Some("[::1]:5432")),
            ("postgres://[::1]:5433/talkif", Some("[::1]:5433")),
            ("postgres:///talkif?host=/run/postgresql", None),
        ];
        for (url, expected) in table {
            assert_eq!(host_and_port(url, 5432).as_deref(), expected, "{url}");
        }
        assert_eq!(host_and_port("redis://127.0.0.1", 6379).as_deref(), Some("127.0.0.1:6379"));
    }
}
