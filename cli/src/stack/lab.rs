//! The phone lab: phones, their carrier, and stand-ins of the vendors.

use super::process::Process;
use super::{Binaries, Options, READY_WITHIN};
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;

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

const VENDOR_KEYS: [&str; 3] = ["DEEPGRAM_API_KEY", "OPENAI_API_KEY", "CARTESIA_API_KEY"];

/// The vendors' keys that the environment lacks.
fn missing_vendor_keys() -> Vec<&'static str> {
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    VENDOR_KEYS.into_iter().filter(|name| !is_set(name)).collect()
}

/// With keys of all three vendors in the environment the real ones are used; with none of them,
/// the lab. Some of them is a mistake, and a call to the lab would hide it.
pub(super) fn vendors_are_configured() -> Result<bool> {
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

/// Starts the lab on free ports.
pub(super) async fn start_lab(binaries: &Binaries, options: &Options, logs: &Path) -> Result<(Process, Lab)> {
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
