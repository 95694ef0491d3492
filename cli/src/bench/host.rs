//! The component host by itself: the least a guest can do, beside the least a native handler can.

use super::client::request;
use super::load::{self, Measured, Source};
use super::process_stats::{program_of, resident_mib};
use super::rival::Rival;
use super::table::{Figure, Mark};
use crate::stack::{Binaries, Process, Stack};
use anyhow::{Context as _, Result, bail};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECTION: &str = "host";
/// As in the published figures of stock Spin on the same kind of machine.
const CONNECTIONS: usize = 32;
/// Name, path, and mark in requests a second.
const CASES: [(&str, &str, Option<f64>); 3] =
    [("hello", "/hello", None), ("one SELECT", "/select", Some(4_600.0)), ("one Redis GET", "/get", None)];

pub(crate) async fn run(
    stack: &Stack,
    binaries: &Binaries,
    rival: &Rival,
    seconds: usize,
) -> Result<Vec<Figure>> {
    let (host, address, _) = start(stack, binaries, "first").await?;
    let mut figures = Vec::new();
    for (name, path, mark) in CASES {
        let ours = measure(&address, path, seconds).await?;
        let theirs = measure(&rival.address, path, seconds).await?;
        let rate =
            Figure::new(SECTION, format!("{name}, 32 connections"), ours.rate(), "/s").beside(theirs.rate());
        figures.push(match mark {
            Some(mark) => rate.mark(Mark::AtLeast(mark)),
            None => rate,
        });
        figures.push(
            Figure::new(SECTION, format!("{name}, p99"), ours.quantile(0.99), "ms")
                .beside(theirs.quantile(0.99)),
        );
    }
    figures.extend(memory(&host, &address).await?);
    host.stop(Duration::from_secs(5)).await;
    let (host, _, took) = start(stack, binaries, "again").await?;
    host.stop(Duration::from_secs(5)).await;
    figures.push(Figure::new(SECTION, "start of the host to its first answer, compiled before", took, "ms"));
    figures.extend(sizes(binaries)?);
    Ok(figures)
}

/// Starts the host with the bench's guest: its address, and milliseconds until it was ready.
async fn start(stack: &Stack, binaries: &Binaries, log: &str) -> Result<(Process, String, f64)> {
    let state = &stack.options().state;
    let (manifest, ready) = (state.join("bench-spin.toml"), state.join(format!("bench-{log}.ready")));
    std::fs::write(&manifest, MANIFEST)?;
    let mut command = tokio::process::Command::new(binaries.program("talkif-host")?);
    command.arg("--from").arg(&manifest).arg("--component-dir").arg(binaries.components());
    command.arg("--cache-dir").arg(state.join("component-cache")).arg("--ready-file").arg(&ready);
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("SPIN_VARIABLE_DATABASE_URL", &stack.database_url);
    command.env("SPIN_VARIABLE_REDIS_URL", &stack.redis_url);
    let begun = Instant::now();
    let mut process = Process::start("bench-host", &command, &stack.logs, &ready)?;
    let url = process.ready(Duration::from_secs(60)).await?;
    let address = url.trim().trim_start_matches("http://").to_owned();
    let mut connection = super::client::Connection::open(&address).await?;
    connection.send(&request("GET", "/hello", &[], "")).await?;
    Ok((process, address, begun.elapsed().as_secs_f64() * 1e3))
}

const MANIFEST: &str = r#"spin_manifest_version = 2
[application]
name = "bench"
[variables]
database_url = { required = true }
redis_url = { required = true }
[[trigger.http]]
route = "/..."
component = "bench"
[component.bench]
source = "talkif_host_probe.wasm"
allowed_outbound_hosts = ["postgres://*:*", "redis://*:*"]
[component.bench.variables]
database_url = "{{ database_url }}"
redis_url = "{{ redis_url }}"
"#;

async fn measure(address: &str, path: &str, seconds: usize) -> Result<Measured> {
    let text = request("GET", path, &[], "");
    let source: Source = Arc::new(move |_| text.clone());
    load::closed(address, CONNECTIONS, 500, &source).await?;
    let measured = load::closed(address, CONNECTIONS, 4_000 * seconds, &source).await?;
    if measured.other_than(200) > 0 {
        bail!("{path} was not always answered with 200: {:?}", measured.statuses);
    }
    Ok(measured)
}

/// What an instance costs: growth of the host while 200 more of them are alive.
async fn memory(host: &Process, address: &str) -> Result<Vec<Figure>> {
    const INSTANCES: usize = 200;
    // Instances that are idle for a second are dropped.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = program_of(host.pid().context("the host has ended")?)?;
    let before = resident_mib(pid)?;
    let text = request("GET", "/sleep?ms=800", &[], "");
    let source: Source = Arc::new(move |_| text.clone());
    let load = load::closed(address, INSTANCES, INSTANCES, &source);
    let look = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        resident_mib(pid)
    };
    let (measured, during) = tokio::join!(load, look);
    measured?;
    Ok(vec![
        Figure::new(SECTION, "memory of the host, idle", before, "MiB"),
        Figure::new(SECTION, "memory of an instance", (during? - before) / INSTANCES as f64, "MiB"),
    ])
}

fn sizes(binaries: &Binaries) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for entry in std::fs::read_dir(binaries.components())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(component) =
            name.strip_prefix("talkif_component_").and_then(|rest| rest.strip_suffix(".wasm"))
        {
            let size = entry.metadata()?.len() as f64 / 1024.0;
            figures.push(Figure::new(SECTION, format!("size of `{component}`"), size, "KiB"));
        }
    }
    figures.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(figures)
}
