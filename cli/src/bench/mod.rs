//! `talkif bench`: our figures beside those of what a user would pick instead, in one run.
//!
//! Every section measures through the doors that a customer has, or beside a rival that runs at
//! the same time on the same machine. To add a section: a module that returns [`Figure`]s, and
//! its line in [`Section`] and [`measure`].

mod accounts;
mod barge_in;
mod calls;
mod client;
mod cores;
mod edge;
mod growth;
mod host;
mod load;
mod native;
mod plot;
mod process_stats;
mod ramp;
mod rival;
mod table;
mod webhooks;

use crate::demo::Place;
use crate::interrupt::asked_to_stop;
use crate::stack::{Binaries, CUT_WITHIN, Options, Stack};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use table::Figure;

/// Measure, beside rivals in the same run; write the tables to bench/.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure; several, with commas between.
    #[arg(value_enum, value_delimiter = ',', default_values_t = [Section::Leads, Section::Host, Section::Dialling, Section::Turns, Section::BargeIn, Section::Webhooks, Section::Growth, Section::Calls])]
    sections: Vec<Section>,
    /// Seconds, roughly, of each load.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Numbers of calls at once, for `calls`.
    #[arg(long, value_delimiter = ',', default_value = "10,25,50,75,100,125,150")]
    calls: Vec<usize>,
    /// The power of ten of leads at which `growth` ends.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(3..=8))]
    growth: u32,
    /// Where the tables go [default: bench in the project's folder].
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Serve the rival and write its address to this file.
    #[arg(long, hide = true)]
    serve_rival: Option<PathBuf>,
}

impl Args {
    fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| home().join("bench"))
    }
}

/// Callers who talk into the agent's sentence, for `barge-in`.
const INTERRUPTERS: usize = 20;

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Section {
    /// POST /v1/leads beside the same router served natively.
    Leads,
    /// The component host beside native handlers.
    Host,
    /// From an accepted lead to the INVITE.
    Dialling,
    /// Latency of turns.
    Turns,
    /// From the decision to fall silent to silence on the wire.
    BargeIn,
    /// Webhook deliveries a second.
    Webhooks,
    /// The same requests over 10³ to 10⁶ leads.
    Growth,
    /// Many calls at once: processor time, memory, late frames.
    Calls,
}

impl Section {
    fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether the node is to call; where it is not, it must not take part of the machine either.
    fn calls(self) -> bool {
        matches!(self, Self::Dialling | Self::Turns | Self::BargeIn | Self::Calls)
    }
}

/// Measures section by section, each on a stack of its own, and fails if a mark is not kept.
pub(crate) async fn run(args: Args) -> Result<()> {
    if let Some(ready) = &args.serve_rival {
        return native::serve(ready).await;
    }
    if cfg!(debug_assertions) {
        eprintln!("talkif: this is a debug build; its figures say little. ./talkif bench builds a release");
    }
    let out = args.out();
    // Before any section takes cores for a node.
    let machine = machine();
    let mut missed = 0;
    for section in &args.sections {
        let figures = tokio::select! {
            figures = measure(*section, &args) => figures?,
            asked = asked_to_stop() => { asked?; bail!("interrupted") }
        };
        println!("\n{}\n\n{}", section.name(), table::markdown(&figures));
        table::write(&out, &section.name(), &machine, &figures)?;
        missed += figures.iter().filter(|figure| figure.holds() == Some(false)).count();
    }
    if missed > 0 {
        bail!("{missed} figures are not where they should be");
    }
    Ok(())
}

fn home() -> PathBuf {
    std::env::var_os("TALKIF_HOME").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// What the figures depend on, in one line.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "{cores} cores of {}, shared by servers and load; {build} build.",
        model.trim_start_matches([' ', '\t', ':'])
    )
}

async fn measure(section: Section, args: &Args) -> Result<Vec<Figure>> {
    let binaries = Binaries::find()?;
    let state = args.place.state("bench");
    fresh(&state)?;
    let options = Options {
        state,
        region: args.place.region,
        port: 0,
        host: args.place.host,
        realistic_delays: false,
        always_lab: true,
        slots: if section.calls() { args.calls.iter().copied().max().unwrap_or(0).max(100) } else { 0 },
        livekit: args.place.livekit,
        clocks: None,
        node_core: if section == Section::Calls { cores::last()? } else { None },
    };
    eprintln!("measuring {} …", section.name());
    let stack = Stack::start(options, &binaries).await?;
    let figures = figures(section, args, &stack, &binaries).await;
    stack.stop(CUT_WITHIN).await;
    figures
}

async fn figures(section: Section, args: &Args, stack: &Stack, binaries: &Binaries) -> Result<Vec<Figure>> {
    if section.calls() {
        let caller = calls::Caller::new(stack).await?;
        return match section {
            Section::Dialling => caller.dialling().await,
            Section::Turns => caller.turns().await,
            Section::BargeIn => barge_in::run(&caller, INTERRUPTERS).await,
            _ => {
                let (figures, svg) = ramp::run(&caller, &args.calls).await?;
                std::fs::create_dir_all(args.out())?;
                std::fs::write(args.out().join("calls.svg"), svg)?;
                Ok(figures)
            }
        };
    }
    let seconds = args.seconds as usize;
    if section == Section::Webhooks {
        return webhooks::run(stack, seconds).await;
    }
    if section == Section::Growth {
        let (figures, svg) = growth::run(stack, args.growth).await?;
        std::fs::create_dir_all(args.out())?;
        std::fs::write(args.out().join("growth.svg"), svg)?;
        return Ok(figures);
    }
    let rival = rival::Rival::start(stack).await?;
    let figures = match section {
        Section::Leads => edge::run(stack, &rival, seconds).await,
        _ => host::run(stack, binaries, &rival, seconds).await,
    };
    rival.stop().await;
    figures
}

/// Yesterday's rows would be part of today's figures.
fn fresh(state: &Path) -> Result<()> {
    match std::fs::remove_dir_all(state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
