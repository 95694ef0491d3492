//! `talkif test`: what CI runs, in the order in which failures are cheapest.

use anyhow::{Context as _, Result, bail};
use std::process::Command;
use std::time::Instant;
use talkif_embedded::LiveKit;

/// Run all checks and tests, as CI does. Arguments after `--` go to `cargo test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the tests: no formatting, lints or documentation.
    #[arg(long)]
    quick: bool,
    /// Passed to `cargo test`, for example `-p talkif-rules`.
    #[arg(last = true)]
    cargo: Vec<String>,
}

/// Runs each step and stops at the first that fails.
pub(crate) async fn run(args: &Args) -> Result<()> {
    if !args.quick {
        step("format", "cargo", &["fmt", "--all", "--check"])?;
    }
    build_livekit().await?;
    // Without a choice cargo takes the workspace's default members: all but the guests.
    let mut tests = vec!["test", "--no-fail-fast"];
    tests.extend(args.cargo.iter().map(String::as_str));
    step("tests", "cargo", &tests)?;
    if !args.quick {
        step("lints", "cargo", &["clippy", "--all-targets", "--", "-D", "warnings"])?;
        step("guest lints", "cargo", &guest_lints())?;
    }
    println!("all checks passed");
    Ok(())
}

/// Some tests need LiveKit's servers. Built here, so that one sees what takes so long the first
/// time. Where they cannot be built, those tests say that they are skipped, except in CI.
async fn build_livekit() -> Result<()> {
    if !LiveKit::is_built() {
        println!("── livekit: building livekit-server and livekit-sip, once");
    }
    match LiveKit::prepare().await {
        Err(lack) if std::env::var_os("CI").is_none() => {
            println!("── livekit: its tests will be skipped: {lack}");
            Ok(())
        }
        prepared => prepared.context("CI tests against LiveKit"),
    }
}

/// Guests only build for their own target.
fn guest_lints() -> Vec<&'static str> {
    let mut arguments =
        vec!["clippy", "--profile", "guest", "--target", "wasm32-wasip2", "-p", "talkif-shell"];
    arguments.extend(["-p", "talkif-component-*", "--", "-D", "warnings"]);
    arguments
}

fn step(name: &str, program: &str, arguments: &[&str]) -> Result<()> {
    println!("── {name}: {program} {}", arguments.join(" "));
    let begun = Instant::now();
    let status =
        Command::new(program).args(arguments).status().with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    println!("── {name}: passed in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}
