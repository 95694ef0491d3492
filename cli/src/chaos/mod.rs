//! `talkif chaos`: hundreds of calls while everything breaks, then a count from outside.
//!
//! A seed gives the [`plan`] (what goes wrong, when) and the [`cast`] (who is called, who must
//! not be). The [`world`] performs the plan on a real installation while the [`customer`] posts
//! leads; before that come a rolling restart and an [`outage`], in which nothing else is wrong. When all is quiet, [`collect`] reads the phones' log, the receiver's log, the database
//! and the files into [`facts`], and [`checks`], which are pure, judge them. No check asks the
//! product how it feels.
//!
//! A seed repeats the plan, not the run: the machine's own timing decides what is hit.

mod cast;
mod checks;
mod collect;
mod customer;
mod facts;
mod outage;
mod plan;
mod process;
mod random;
mod receiver;
mod report;
mod rooms;
mod run;
mod stream;
mod tenant;
mod world;

use crate::demo::{Persona, Place, callable_now};
use crate::interrupt::asked_to_stop;
use crate::stack::{Binaries, MovableClocks, Options, Stack};
use anyhow::{Context as _, Result, bail};
use cast::Wave;
use plan::Roughness;
use report::Report;
use run::Run;
use std::path::PathBuf;
use std::time::Instant;
use tenant::Tenant;
use world::World;

/// Call hundreds of phones while processes are killed, paused and cut off; then count.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What goes wrong, and when, follows from this number [default: by chance, printed].
    #[arg(long)]
    seed: Option<u64>,
    /// Leads to post while everything breaks.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(8..=2000))]
    calls: u32,
    /// How long things break.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Media nodes that race for the calls.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=world::MOST_NODES as i64))]
    nodes: u32,
    /// Forty calls, every fault at least once: some minutes.
    #[arg(long, conflicts_with_all = ["calls", "minutes"])]
    short: bool,
    /// Before things break, restart all nodes in good order, one after the other, in mid-call.
    #[arg(long)]
    rolling: bool,
    /// Print one JSON object a line; the last one sums up.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// How much a run does.
struct Size {
    calls: usize,
    rolling: usize,
    outage: outage::Size,
    afterwards: usize,
    slots_per_node: usize,
    rough: Roughness,
}

impl Args {
    fn size(&self) -> Size {
        let nodes = self.nodes as usize;
        let rolling = |calls| if self.rolling { calls } else { 0 };
        let (clocks, livekit) = (self.clocks_can_be_set(), self.place.livekit);
        if self.short {
            let rough =
                Roughness { nodes, window_ms: 25_000, peace_ms: 4_000, away_ms: 2_500, clocks, livekit };
            let outage = outage::Size { talking: 6, knocking: 3, away_ms: 20_000 };
            return Size { calls: 40, rolling: rolling(8), outage, afterwards: 4, slots_per_node: 6, rough };
        }
        let window_ms = (self.minutes.max(0.1) * 60_000.0) as u64;
        let rough = Roughness { nodes, window_ms, peace_ms: 20_000, away_ms: 30_000, clocks, livekit };
        let outage = outage::Size { talking: 12, knocking: 8, away_ms: 30_000 };
        let calls = self.calls as usize;
        Size { calls, rolling: rolling(40), outage, afterwards: 8, slots_per_node: 12, rough }
    }

    /// LiveKit believes no token of a node whose clock is off, so there the clocks stay right.
    fn clocks_can_be_set(&self) -> bool {
        !self.place.livekit && MovableClocks::find(PathBuf::new()).is_some()
    }
}

/// Runs, counts, prints, and fails if anything was lost, doubled or left behind.
pub(crate) async fn run(args: Args) -> Result<()> {
    let begun = Instant::now();
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let binaries = Binaries::find()?;
    let state = args.place.state("chaos").join(format!("{seed}-{}", std::process::id()));
    let size = args.size();
    let options = Options {
        state: state.clone(),
        region: args.place.region,
        port: 0,
        host: args.place.host,
        realistic_delays: false,
        always_lab: true,
        slots: size.slots_per_node,
        livekit: args.place.livekit,
        clocks: MovableClocks::find(state.clone()).filter(|_| size.rough.clocks),
        node_core: None,
    };
    tell(&args, &format!("seed {seed}"));
    if !size.rough.clocks && !args.place.livekit {
        tell(&args, "libfaketime is not installed: no clock will jump");
    }
    let stack = tokio::select! {
        started = Stack::start(options, &binaries) => started?,
        asked = asked_to_stop() => { asked?; bail!("interrupted") }
    };
    let report = tokio::select! {
        report = perform(stack, &binaries, &args, seed) => report,
        asked = asked_to_stop() => asked.and_then(|()| bail!("interrupted")),
    };
    let mut report =
        report.with_context(|| format!("seed {seed}; what is left lies in {}", state.display()))?;
    report.seconds = begun.elapsed().as_secs_f64();
    println!("{}", if args.json { report.json().to_string() } else { report.text() });
    if !report.holds() {
        bail!("seed {seed}: something was lost, doubled or left behind; logs lie in {}", state.display());
    }
    std::fs::remove_dir_all(&state).context("removing the run's folder")
}

fn tell(args: &Args, text: &str) {
    if args.json {
        println!("{}", serde_json::json!({ "type": "note", "text": text }));
    } else {
        println!("{text}");
    }
}

async fn perform(stack: Stack, binaries: &Binaries, args: &Args, seed: u64) -> Result<Report> {
    let size = args.size();
    let slots = size.slots_per_node * args.nodes as usize;
    let away = size.outage.talking + size.outage.knocking;
    let others = size.rolling + away + size.afterwards + slots * 3;
    let people = callable_now(&[Persona::Books], size.calls + others)?;
    let callee = people.first().context("nobody to call")?.number.clone();
    let numbers: Vec<String> = people.into_iter().map(|person| person.number.as_str().to_owned()).collect();
    let (rolling, rest) = numbers.split_at(size.rolling);
    let (away, rest) = rest.split_at(away);
    let (afterwards, rest) = rest.split_at(size.afterwards);
    let (calls, spare) = rest.split_at(size.calls);

    let receiver = receiver::Receiver::start().await?;
    let tenant = Tenant::create(&stack, &receiver.url, &callee, slots).await?;
    receiver.trust(&tenant.webhook_secret)?;
    let customer = customer::Customer::new(&stack.api_url, &tenant.key)?;
    let lab = stack.lab.as_ref().context("chaos calls the lab's phones")?.http.clone();
    let world = World::new(stack, receiver, binaries, args.nodes as usize).await?;
    let outage = facts::Outage::default();
    let mut run = Run { world, tenant, customer, lab, slots, leads: Vec::new(), outage };

    let say = |text: &str| tell(args, text);
    if !rolling.is_empty() {
        let roles = cast::cast(seed, Wave::Rolling, rolling, 10_000);
        run.prepare(&roles).await?;
        let posting = run.post(&roles);
        run.world.roll(say).await?;
        run.answered(posting).await;
        run.quiet(true).await?;
    }
    say("Postgres refuses connections, in mid-call");
    run.outage(seed, size.outage, away).await?;
    let roles = cast::cast(seed, Wave::Chaos, calls, size.rough.window_ms);
    run.prepare(&roles).await?;
    let posting = run.post(&roles);
    run.world.suffer(&plan::plan(seed, size.rough), say).await?;
    say("everything runs again");
    run.world.recover().await?;
    run.answered(posting).await;
    run.release_held().await?;
    run.quiet(true).await?;
    say("all is quiet: is everything as it was?");
    run.afterwards(seed, afterwards).await?;
    let ringing = run.ask_for_slots(spare).await?;
    let tally = run.world.tally.clone();
    let (mut facts, world) = run.facts(ringing).await?;
    facts.left.processes = world.stop().await;
    Ok(summary(seed, tally, &facts))
}

fn summary(
    seed: u64,
    tally: std::collections::BTreeMap<(plan::Part, plan::Trouble), usize>,
    facts: &facts::Facts,
) -> Report {
    let counts = vec![
        ("leads posted", facts.leads.len()),
        ("requests repeated by the customer", facts.leads.iter().map(|lead| lead.retries).sum()),
        ("calls", facts.stored.calls.len()),
        ("calls that ended because a node was lost", lost(facts)),
        (
            "calls whose voice came too late",
            facts.stored.calls.iter().filter(|call| checks::fell_silent(call)).count(),
        ),
        ("recordings given up", facts.stored.calls.iter().filter(|call| call.recording_failed).count()),
        ("phones that rang", facts.rings.len()),
        ("webhooks received", facts.arrivals.len()),
    ];
    Report { seed, seconds: 0.0, tally, counts, checks: checks::all(facts) }
}

/// Not wrong, but worth knowing.
fn lost(facts: &facts::Facts) -> usize {
    let is_lost = |call: &&facts::CallRow| call.end_reason.as_deref() == Some("agent_crashed");
    facts.stored.calls.iter().filter(is_lost).count()
}
