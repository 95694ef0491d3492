//! The media node: one native process that makes and takes a region's calls.
//!
//! This crate only composes: it reads the environment, starts telephony, hands sessions to the
//! workers, and stops all of it in two steps (drain, then cut). To add a leg or a vendor, go to
//! `telephony` or `providers`; to add a duty, go to `workers`.

mod compose;
mod line;
mod logging;
mod object_store;
mod runner;
mod shutdown;

use anyhow::{Context as _, Result};
use clap::Parser;
use std::time::Duration;
use talkif_config::NodeConfig;

/// Makes and takes the calls of one region. Configured by its environment; see
/// docs/operations.md.
#[derive(Parser)]
#[command(name = "talkif-node", version)]
struct Args {
    /// Let calls go on for at most this many seconds when told to stop.
    #[arg(long, default_value_t = 120)]
    drain_s: u64,
    /// Log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let args = Args::parse();
    logging::start(args.log_json);
    match run(&args).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the node cannot run");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let config = NodeConfig::from_env().context("configuration")?;
    let node = compose::Node::start(&config).await?;
    tracing::info!(region = %config.region, node = config.node_id, telephony = node.address(), "ready");
    if let Some(path) = &config.ready_file {
        std::fs::write(path, format!("{}\n", node.address())).context("writing the ready file")?;
    }
    shutdown::asked().await?;
    tracing::info!(calls = node.calls(), "draining");
    let line = node.line();
    tokio::select! {
        () = node.drain(Duration::from_secs(args.drain_s)) => tracing::info!("stopped"),
        asked = shutdown::asked() => {
            asked?;
            tracing::warn!("told twice: calls are cut");
            // Nobody is left on a line without an agent.
            line.close().await;
        }
    }
    Ok(())
}
