//! Builds the probe, serves it, and talks to it.

mod client;
mod probe;

pub(crate) use client::Reply;
pub(crate) use probe::{build, probe, probe_directory};

use clap::Parser;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use talkif_host::{App, LoadError, Options, ServerLimits};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A manifest that sends everything to the probe; `component` is added to its table.
pub(crate) fn manifest(component: &str) -> String {
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"test\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"probe\"\n\
         [component.probe]\nsource = \"talkif_host_probe.wasm\"\n{component}"
    )
}

/// Writes `manifest` to a file of its own and returns its path.
pub(crate) fn write_manifest(manifest: &str) -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("spin-{}-{number}.toml", std::process::id()));
    std::fs::write(&path, manifest).unwrap();
    path
}

/// Options for `manifest` and the components in `directory`, with further command-line `arguments`.
fn options(manifest: &str, directory: &Path, arguments: &[&str]) -> Options {
    let from = write_manifest(manifest);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let fixed = [
        "talkif-host".to_owned(),
        format!("--from={}", from.display()),
        format!("--component-dir={}", directory.display()),
        format!("--cache-dir={}", cache.display()),
        "--max-instances=32".to_owned(),
    ];
    Options::parse_from(fixed.into_iter().chain(arguments.iter().map(|argument| (*argument).to_owned())))
}

/// Loads `manifest`, whose components lie in `directory`, without serving it.
pub(crate) async fn load(manifest: &str, directory: &Path) -> Result<App, LoadError> {
    App::load(&options(manifest, directory, &[]), |_| None).await
}

/// A host that serves until it is stopped or dropped.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Host {
    /// Serves `manifest` with further command-line `arguments`.
    pub(crate) async fn start(manifest: &str, arguments: &[&str]) -> Host {
        probe();
        Host::start_in(manifest, arguments, |_| None).await
    }

    /// Serves components that have been built, with `environment`.
    pub(crate) async fn start_in(
        manifest: &str,
        arguments: &[&str],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Host {
        let options = options(manifest, &probe_directory(), arguments);
        let app = App::load(&options, environment).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let limits = ServerLimits::from(&options);
        let serving = tokio::spawn(talkif_host::serve(app, listener, limits, shutdown.clone()));
        Host { address, shutdown, serving }
    }

    /// Serves the probe with `component` added to its table.
    pub(crate) async fn probe(component: &str) -> Host {
        Host::start(&manifest(component), &[]).await
    }

    /// `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        client::send(self.address, "GET", path, &[], "").await
    }

    /// `POST path` with `body`.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        client::send(self.address, "POST", path, &[], body).await
    }

    /// `POST path` with headers and `body`.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        client::send(self.address, "POST", path, headers, body).await
    }

    /// `GET path` with headers.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        client::send(self.address, "GET", path, headers, "").await
    }

    /// Tells the host to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
    }
}

/// `POST path` of any server.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> Reply {
    client::send(address, "POST", path, &[], body).await
}

/// `GET path` of any server.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Reply {
    client::send(address, "GET", path, &[], "").await
}
