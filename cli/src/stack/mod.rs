//! One region on this machine: Postgres, Redis, edge, node, LiveKit where it is asked for and,
//! without vendors' keys, the lab.
//!
//! Everything listens on loopback and lives under one state folder (`.talkif/` by default).
//! What this module started it stops, in the order: node (drains its calls), LiveKit, edge, lab,
//! stores.

mod binaries;
mod clocks;
mod edge;
mod lab;
mod livekit;
mod lock;
mod node;
mod process;
mod secrets;
mod stores;

pub(crate) use binaries::Binaries;
pub(crate) use clocks::MovableClocks;
pub(crate) use lab::{Lab, TRUNK_PASSWORD, TRUNK_USER};
pub(crate) use process::Process;
pub(crate) use secrets::Secrets;

use anyhow::{Context as _, Result, bail};
use edge::start_edge;
use lab::{start_lab, vendors_are_configured};
use livekit::Line;
pub(crate) use livekit::LiveKitAddress;
use lock::RunLock;
use node::NodeLaunch;
pub(crate) use node::may_go_first;
use std::path::PathBuf;
use std::time::Duration;
use stores::Stores;
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
    /// Whether calls go through LiveKit.
    pub(crate) livekit: bool,
    /// Sets the nodes' clocks; `None` leaves them the machine's.
    pub(crate) clocks: Option<MovableClocks>,
    /// The only core that the nodes run on, before everything else there if that is allowed;
    /// `None` leaves it to the machine.
    pub(crate) node_core: Option<usize>,
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
    /// Address on which calls come in: the node's, or LiveKit's.
    pub(crate) sip: String,
    /// Where recordings lie, encrypted.
    pub(crate) recordings: PathBuf,
    /// Where the logs lie.
    pub(crate) logs: PathBuf,
    options: Options,
    node: Process,
    edge: Process,
    livekit: Option<Line>,
    lab_process: Option<Process>,
    stores: Stores,
    _lock: RunLock,
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
        let livekit = match options.livekit {
            true => {
                let webhook = format!("http://127.0.0.1:{artifacts}/livekit/webhook");
                Some(Line::start(&options.state.join("livekit"), &webhook).await?)
            }
            false => None,
        };
        let sip = match &livekit {
            Some(line) => line.address.sip.clone(),
            None => format!("127.0.0.1:{}", free_port().await?),
        };
        let launch = NodeLaunch {
            name: "node",
            rtp_ports: None,
            stores: &stores,
            secrets: &secrets,
            lab: lab.as_ref(),
            sip: &sip,
            livekit: livekit.as_ref().map(|line| &line.address),
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
            livekit,
            lab_process,
            stores,
            _lock: lock,
        })
    }

    /// The options it was started with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The LiveKit between the node and the telephones, where there is one.
    pub(crate) fn livekit(&self) -> Option<&LiveKitAddress> {
        self.livekit.as_ref().map(|line| &line.address)
    }

    /// The private pair of LiveKit servers, if there is one and it is ours.
    pub(crate) fn livekit_mut(&mut self) -> Option<&mut talkif_embedded::LiveKit> {
        self.livekit.as_mut()?.servers()
    }

    /// Starts a further node of the same region; whoever asked stops it, before the stack.
    /// `rtp_ports` (`first-last`) must be nobody else's.
    pub(crate) async fn another_node(
        &self,
        binaries: &Binaries,
        name: &'static str,
        rtp_ports: &str,
    ) -> Result<Process> {
        let sip = format!("127.0.0.1:{}", free_port().await?);
        let launch = NodeLaunch {
            name,
            rtp_ports: Some(rtp_ports),
            stores: &self.stores,
            secrets: &self.secrets,
            lab: self.lab.as_ref(),
            sip: &sip,
            livekit: self.livekit(),
            artifacts: free_port().await?,
            recordings: &self.recordings,
        };
        launch.start(binaries, &self.options, &self.logs).await
    }

    /// The node's process.
    pub(crate) fn node_mut(&mut self) -> &mut Process {
        &mut self.node
    }

    /// The process that serves the components.
    pub(crate) fn edge_mut(&mut self) -> &mut Process {
        &mut self.edge
    }

    /// The private Postgres, if it is ours.
    pub(crate) fn postgres_mut(&mut self) -> Option<&mut talkif_embedded::Postgres> {
        self.stores.postgres.as_mut()
    }

    /// The private Redis, if it is ours.
    pub(crate) fn redis_mut(&mut self) -> Option<&mut talkif_embedded::Redis> {
        self.stores.redis.as_mut()
    }

    /// The shell that supervises the node.
    pub(crate) fn node_pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// An error if one of the processes has died, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.node.check()?;
        self.edge.check()?;
        self.livekit.as_mut().map_or(Ok(()), Line::check)?;
        self.lab_process.as_mut().map_or(Ok(()), Process::check)
    }

    /// Lets calls go on for at most `drain`, then stops all that was started.
    pub(crate) async fn stop(self, drain: Duration) {
        self.node.stop(drain).await;
        if let Some(livekit) = self.livekit {
            livekit.stop();
        }
        self.edge.stop(Duration::from_secs(5)).await;
        if let Some(lab) = self.lab_process {
            lab.stop(Duration::from_secs(5)).await;
        }
        self.stores.stop();
    }
}

/// A loopback port that was free a moment ago.
async fn free_port() -> Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

async fn refuse_port_in_use(port: u16) -> Result<()> {
    match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
        Ok(_) => Ok(()),
        Err(error) => {
            bail!("port {port} cannot be used ({}); choose another with --port", error.kind())
        }
    }
}
