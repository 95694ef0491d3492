//! The program itself: its flags, its announcements, its end.

use crate::support::{Reply, get, manifest, post, probe, probe_directory, write_manifest};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

fn command(manifest: &str) -> Command {
    probe();
    let mut command = Command::new(env!("CARGO_BIN_EXE_talkif-host"));
    command
        .arg("--from")
        .arg(write_manifest(manifest))
        .arg("--component-dir")
        .arg(probe_directory())
        .args(["--listen", "127.0.0.1:0", "--max-instances", "32"])
        .arg("--cache-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn wait_until_ready(path: &Path) -> SocketAddr {
    for _ in 0..300 {
        if let Ok(url) = std::fs::read_to_string(path) {
            return url.strip_prefix("http://").unwrap().trim_end().parse().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the host did not get ready");
}

/// The program, serving the probe until it is dropped.
pub(crate) struct Program {
    address: SocketAddr,
    _child: Child,
}

impl Program {
    /// Starts it with `manifest` and `environment`.
    pub(crate) async fn start(manifest: &str, environment: &[(&str, PathBuf)]) -> Program {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ready-p{number}-{}", std::process::id());
        let ready_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let child = command(manifest)
            .arg("--ready-file")
            .arg(&ready_file)
            .envs(environment.iter().map(|(name, path)| (*name, path)))
            .spawn()
            .unwrap();
        let address = wait_until_ready(&ready_file).await;
        std::fs::remove_file(&ready_file).unwrap();
        Program { address, _child: child }
    }

    /// `POST path` with `body`.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        post(self.address, path, body).await
    }
}

async fn terminate(child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
}

#[tokio::test]
async fn a_termination_signal_ends_the_process_after_the_request_in_flight() {
    let ready_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ready-{}", std::process::id()));
    let child = command(&manifest("")).arg("--ready-file").arg(&ready_file).spawn().unwrap();
    let address = wait_until_ready(&ready_file).await;
    std::fs::remove_file(&ready_file).unwrap();
    let request = tokio::spawn(async move { get(address, "/sleep?ms=800").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    terminate(&child).await;
    assert_eq!(request.await.unwrap().body, "slept");
    let output =
        tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert_eq!(printed, format!("/... -> probe\nlistening on http://{address}\n"));
}

#[tokio::test]
async fn a_refused_manifest_is_one_line_and_a_failure() {
    let output = command("spin_manifest_version = 3").output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: not a valid manifest:"));
}

#[tokio::test]
async fn variables_come_from_the_environment() {
    let text = manifest("variables = { key = \"{{ key }}\" }") + "\n[variables]\nkey = { required = true }";
    let ready_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ready-v-{}", std::process::id()));
    let _child = command(&text)
        .arg("--ready-file")
        .arg(&ready_file)
        .env("SPIN_VARIABLE_KEY", "opens")
        .spawn()
        .unwrap();
    let address = wait_until_ready(&ready_file).await;
    std::fs::remove_file(&ready_file).unwrap();
    assert_eq!(get(address, "/variable?name=key").await.json()["value"], "opens");
}
