//! sipp, an independent SIP implementation, as the called side. Scenarios are those of the direct
//! leg. They answer after 100 ms: an answer that comes faster than over any network may be lost in
//! `livekit-sip` on a busy machine.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// To another telephone and back.
pub(crate) const NETWORK: &str = "  <pause milliseconds=\"100\" />\n";

/// A running sipp; killed when dropped.
pub(crate) struct Sipp {
    process: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
    scenario: String,
}

impl Sipp {
    /// Waits to be called; `status` stands in for the scenario's `STATUS`.
    pub(crate) async fn called(scenario: &str, status: &str) -> Self {
        Self::called_with(scenario, &[("STATUS", status)]).await
    }

    /// Waits to be called; these texts of the scenario are replaced.
    pub(crate) async fn called_with(scenario: &str, changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../telephony/tests/sipp");
        let text = std::fs::read_to_string(scenarios.join(format!("{scenario}.xml"))).unwrap();
        let text = changes.iter().fold(as_over_a_network(&text), |text, (from, to)| text.replace(from, to));
        std::fs::write(folder.path().join("scenario.xml"), text).unwrap();
        let (port, media) = (free_port(), free_port());
        let process = Command::new("sipp")
            .args(["-sf", "scenario.xml", "-i", "127.0.0.1", "-m", "1", "-l", "1", "-nostdin", "-rtp_echo"])
            .args(["-p", &port.to_string(), "-mp", &media.to_string()])
            .args(["-timeout", "40s", "-timeout_error", "-recv_timeout", "30000"])
            .args(["-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"])
            .current_dir(folder.path())
            .env("TERM", "dumb")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("sipp is installed: apt-get install sip-tester");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // The port is taken as soon as sipp is ready.
        for _ in 0..500 {
            if UdpSocket::bind(address).is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        Self { process, address, folder, scenario: scenario.to_owned() }
    }

    /// Waits for the scenario's success and returns all messages, as they were on the wire.
    pub(crate) async fn succeeds(mut self) -> String {
        let status = timeout(Duration::from_secs(45), self.process.wait()).await;
        let status = status.expect("sipp ends in time").unwrap();
        assert!(status.success(), "{} ended with {status}", self.scenario);
        self.read("messages.log")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Sipp {
    /// What it saw, when the case fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}{}", self.scenario, self.read("messages.log"), self.read("errors.log"));
        }
    }
}

/// Answers that end a transaction come later, but those of an answered call.
fn as_over_a_network(scenario: &str) -> String {
    let answers = ["202", "401", "403", "STATUS"].map(|status| format!("      SIP/2.0 {status}"));
    let mut parts = scenario.split("  <send").map(str::to_owned);
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |text, part| {
        let is_final = answers.iter().any(|answer| part.contains(answer));
        let pause = if is_final { NETWORK } else { "" };
        text + pause + "  <send" + &part
    })
}

/// A port that was free a moment ago, with free ones after it.
fn free_port() -> u16 {
    loop {
        let bind = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        let port = bind(0).unwrap().local_addr().unwrap().port() & !3;
        if (port..port.saturating_add(3)).all(|port| bind(port).is_ok()) {
            return port;
        }
    }
}
