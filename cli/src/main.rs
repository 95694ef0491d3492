//! `talkif`: everything a developer or operator does from a terminal.
//!
//! The command line only orchestrates: it starts processes ([`stack`]), speaks to them over the
//! public HTTP API, and shows what it sees. It knows no rules of the product. To add a
//! subcommand: a module with an `Args` struct and an async `run`, and its line in [`Command`].

mod api;
mod bench;
mod chaos;
mod demo;
mod deploy;
mod interrupt;
mod listen;
mod migrate;
mod receiver;
mod stack;
mod test;
mod up;

use clap::{Parser, Subcommand};

/// AI phone calls for your leads: post a lead, an agent calls within seconds, a signed outcome
/// comes back.
#[derive(Parser)]
#[command(name = "talkif", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job: start everything privately, post a lead, follow the call, verify the webhook.
    Demo(demo::Args),
    /// Start everything on this machine and leave it running.
    Up(up::Args),
    /// Publish a flow from a YAML or JSON file.
    Deploy(deploy::Args),
    /// Receive webhooks here, print them and verify their signatures.
    Listen(listen::Args),
    /// Bring the databases to the newest schema.
    Migrate(migrate::Args),
    /// Measure, beside rivals in the same run; write the tables to bench/.
    Bench(bench::Args),
    /// Call hundreds of phones while processes are killed, paused and cut off; then count.
    Chaos(chaos::Args),
    /// Run all checks and tests, as CI does.
    Test(test::Args),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(args).await,
        Command::Up(args) => up::run(args).await,
        Command::Deploy(args) => deploy::run(args).await,
        Command::Listen(args) => listen::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Chaos(args) => chaos::run(args).await,
        Command::Test(args) => test::run(&args).await,
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` joins the causes into one sentence.
            eprintln!("talkif: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
