//! The media node.

use super::lab::Lab;
use super::livekit::LiveKitAddress;
use super::process::Process;
use super::stores::Stores;
use super::{Binaries, DRAIN_WITHIN, Options, READY_WITHIN, Secrets};
use anyhow::Result;
use std::path::Path;
use tokio::process::Command;

/// What the lab's vendors are sent as their key. They take any; this one is found where it is not
/// meant to be.
const VENDOR_KEY: &str = "lab-vendor-key";

/// Runs what follows before everything that has no real-time priority.
const GO_FIRST: [&str; 3] = ["chrt", "--rr", "10"];

/// What a node is told.
pub(super) struct NodeLaunch<'a> {
    /// Names its log and ready file, and with this process the node.
    pub(super) name: &'static str,
    /// `first-last`; the node's own choice where left out.
    pub(super) rtp_ports: Option<&'a str>,
    pub(super) stores: &'a Stores,
    pub(super) secrets: &'a Secrets,
    pub(super) lab: Option<&'a Lab>,
    pub(super) sip: &'a str,
    pub(super) livekit: Option<&'a LiveKitAddress>,
    pub(super) artifacts: u16,
    pub(super) recordings: &'a Path,
}

impl NodeLaunch<'_> {
    /// Starts a node and returns when it is ready.
    pub(super) async fn start(&self, binaries: &Binaries, options: &Options, logs: &Path) -> Result<Process> {
        let ready = options.state.join(format!("{}.ready", self.name));
        let mut command = program(binaries, options.node_core)?;
        command
            .args(["--drain-s", &(DRAIN_WITHIN.as_secs() - 10).to_string()])
            .env("TALKIF_REGION", options.region.as_str())
            .env("TALKIF_NODE_ID", format!("{}-{}", self.name, std::process::id()))
            .env("DATABASE_URL", &self.stores.database_url)
            .env("DIRECTORY_URL", &self.stores.directory_url)
            .env("REDIS_URL", &self.stores.redis_url)
            .env("FERNET_KEY", &self.secrets.fernet_key)
            .env("RECORDING_KEY", &self.secrets.recording_key)
            .env("RECORDINGS_DIR", self.recordings)
            .env("ARTIFACTS_KEY", &self.secrets.artifacts_key)
            .env("ARTIFACTS_LISTEN", format!("127.0.0.1:{}", self.artifacts))
            .env("ARTIFACTS_URL", format!("http://127.0.0.1:{}", self.artifacts))
            .env("TALKIF_LOCAL_MODE", "1")
            .env("TALKIF_SLOTS", options.slots.to_string())
            .env("TALKIF_READY_FILE", &ready);
        match self.livekit {
            None => command.env("TALKIF_TELEPHONY", "direct").env("SIP_LISTEN", self.sip),
            Some(livekit) => command
                .env("TALKIF_TELEPHONY", "livekit")
                .env("LIVEKIT_URL", &livekit.url)
                .env("LIVEKIT_API_KEY", &livekit.api_key)
                .env("LIVEKIT_API_SECRET", &livekit.api_secret),
        };
        if let Some(clocks) = &options.clocks {
            clocks.lend(self.name, &mut command)?;
        }
        if let Some(ports) = self.rtp_ports {
            command.env("RTP_PORTS", ports);
        }
        if let Some(lab) = self.lab {
            command
                .env("DEEPGRAM_API_KEY", VENDOR_KEY)
                .env("DEEPGRAM_URL", format!("http://{}/deepgram/", lab.http))
                .env("OPENAI_API_KEY", VENDOR_KEY)
                .env("OPENAI_BASE_URL", format!("http://{}/openai/v1", lab.http))
                .env("CARTESIA_API_KEY", VENDOR_KEY)
                .env("CARTESIA_URL", format!("ws://{}/cartesia", lab.http));
        }
        let mut process = Process::start(self.name, &command, logs, &ready)?;
        process.ready(READY_WITHIN).await?;
        Ok(process)
    }
}

/// The node's program; with a core of its own, as docs/operations.md has it run. It begins on that
/// core, and so has as many threads as suit it.
fn program(binaries: &Binaries, core: Option<usize>) -> Result<Command> {
    let program = binaries.program("talkif-node")?;
    let Some(core) = core else { return Ok(Command::new(program)) };
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]);
    if may_go_first() {
        command.args(GO_FIRST);
    }
    command.arg(program);
    Ok(command)
}

/// Whether a process may have a real-time priority here.
pub(crate) fn may_go_first() -> bool {
    let [program, options @ ..] = GO_FIRST;
    let tried = std::process::Command::new(program).args(options).arg("true").output();
    tried.is_ok_and(|tried| tried.status.success())
}
