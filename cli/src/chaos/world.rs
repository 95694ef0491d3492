//! The installation under chaos: performs what the plan says, and puts it right again.

use super::plan::{Part, Step, Trouble};
use super::process::{self, Process as Seen};
use super::receiver::{Mood, Receiver};
use super::stream::CallStream;
use crate::stack::{Binaries, Process, Stack};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use talkif_embedded::LiveKitPart;
use tokio::time::Instant;

/// A node that was told to stop may go on with its calls for so long.
const DRAIN: Duration = Duration::from_secs(115);
const READY: Duration = Duration::from_secs(120);
/// Names and RTP ports of further nodes.
const FURTHER: [(&str, &str); 2] = [("node-2", "20000-24999"), ("node-3", "25000-29999")];
/// The most nodes of a run.
pub(super) const MOST_NODES: usize = FURTHER.len() + 1;
/// Less than the first second of a recording: a busy machine may have no time for more.
const FULL_AT: u64 = 1_024;
/// The calling window is hours away from any of these.
const AHEAD_S: i64 = 7 * 3_600;
const BEHIND_S: i64 = -3 * 3_600;

/// The running installation.
pub(super) struct World {
    pub(super) stack: Stack,
    pub(super) receiver: Receiver,
    further: Vec<Process>,
    /// Paused processes, by part.
    frozen: BTreeMap<Part, Vec<u32>>,
    /// How often what was done to whom.
    pub(super) tally: BTreeMap<(Part, Trouble), usize>,
    /// Every process that was ever below us.
    seen: BTreeSet<Seen>,
    /// Processes that ended although nobody ended them.
    pub(super) fallen: Vec<String>,
}

impl World {
    pub(super) async fn new(
        stack: Stack,
        receiver: Receiver,
        binaries: &Binaries,
        nodes: usize,
    ) -> Result<Self> {
        let mut further = Vec::new();
        for (name, ports) in FURTHER.iter().take(nodes.saturating_sub(1)) {
            further.push(stack.another_node(binaries, name, ports).await?);
        }
        let (frozen, tally, seen) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let mut world = Self { stack, receiver, further, frozen, tally, seen, fallen: Vec::new() };
        world.look();
        Ok(world)
    }

    /// Remembers who runs below us, to ask for them when all is over.
    fn look(&mut self) {
        self.seen.extend(process::below(std::process::id()));
    }

    /// Does all of `steps`, each at its time, and undoes each when its time is over.
    pub(super) async fn suffer(&mut self, steps: &[Step], tell: impl Fn(&str)) -> Result<()> {
        let mut moments: Vec<(u64, bool, Step)> = Vec::new();
        for step in steps {
            moments.extend([(step.at_ms, true, *step), (step.at_ms + step.lasts_ms, false, *step)]);
        }
        // What ends comes before what begins at the same moment.
        moments.sort_by_key(|(at_ms, begins, _)| (*at_ms, *begins));
        let begun = Instant::now();
        for (at_ms, begins, step) in moments {
            tokio::time::sleep_until(begun + Duration::from_millis(at_ms)).await;
            let words = format!("{} {}", step.part.words(), step.trouble.words());
            if begins {
                tell(&format!("{:>6.1} s  {words}", begun.elapsed().as_secs_f64()));
                self.look();
                self.begin(step).await.with_context(|| words)?;
                *self.tally.entry((step.part, step.trouble)).or_default() += 1;
            } else {
                self.end(step).await.with_context(|| format!("after: {words}"))?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, step: Step) -> Result<()> {
        match step.trouble {
            Trouble::Killed => self.kill(step.part),
            Trouble::Paused | Trouble::PausedPastTheLease => {
                let pids = self.pids(step.part)?;
                process::signal(&pids, "STOP")?;
                self.frozen.insert(step.part, pids);
                Ok(())
            }
            Trouble::Emptied => self.stream().await?.empty().await,
            Trouble::FilledWithJunk => self.stream().await?.fill().await,
            Trouble::ReadByTheDead => self.stream().await?.read_and_die().await,
            Trouble::DiskFull => process::limit_files(&self.pids(step.part)?, Some(FULL_AT)),
            Trouble::ClockAhead => self.set_clock(step.part, AHEAD_S),
            Trouble::ClockBehind => self.set_clock(step.part, BEHIND_S),
            Trouble::CutMidWord | Trouble::Misbehaves => self.vendors(orders(step)).await,
            Trouble::Fails => self.mood(Mood::Fails),
            Trouble::Hangs => self.mood(Mood::Hangs),
            Trouble::Slow => self.mood(Mood::Slow),
            Trouble::Cuts => self.mood(Mood::Cuts),
        }
    }

    async fn end(&mut self, step: Step) -> Result<()> {
        match step.trouble {
            Trouble::Killed => self.restart(step.part).await,
            Trouble::Paused | Trouble::PausedPastTheLease => {
                process::signal(&self.frozen.remove(&step.part).unwrap_or_default(), "CONT")
            }
            Trouble::Emptied | Trouble::FilledWithJunk | Trouble::ReadByTheDead => Ok(()),
            Trouble::DiskFull => process::limit_files(&self.pids(step.part)?, None),
            Trouble::ClockAhead | Trouble::ClockBehind => self.set_clock(step.part, 0),
            Trouble::CutMidWord | Trouble::Misbehaves => self.vendors(json!([])).await,
            Trouble::Fails | Trouble::Hangs | Trouble::Slow | Trouble::Cuts => self.mood(Mood::Well),
        }
    }

    /// Without any ceremony.
    fn kill(&mut self, part: Part) -> Result<()> {
        if let Some(part) = of_livekit(part) {
            self.stack.livekit_mut().context("LiveKit is not ours")?.kill(part);
            return Ok(());
        }
        process::signal(&self.pids(part)?, "KILL")
    }

    /// The disk of every node is full, or has room again.
    pub(super) fn fill_disks(&mut self, full: bool) -> Result<()> {
        for index in 0..=self.further.len() {
            process::limit_files(&self.pids(Part::Node(index))?, full.then_some(FULL_AT))?;
        }
        Ok(())
    }

    fn set_clock(&self, part: Part, ahead_s: i64) -> Result<()> {
        let Part::Node(index) = part else { bail!("only nodes have clocks of their own") };
        let name = index.checked_sub(1).map_or(Ok("node"), |further| {
            FURTHER.get(further).map(|(name, _)| *name).context("no such node")
        })?;
        self.stack.options().clocks.as_ref().context("the clocks cannot be set")?.set(name, ahead_s)
    }

    /// The program of a part, with its own processes.
    pub(super) fn pids(&mut self, part: Part) -> Result<Vec<u32>> {
        let shell = match part {
            Part::Node(index) => self.node(index)?.pid(),
            Part::Host => self.stack.edge_mut().pid(),
            Part::Redis => self.stack.redis_mut().map(|redis| redis.supervisor_pid()),
            Part::Postgres => self.stack.postgres_mut().map(|postgres| postgres.supervisor_pid()),
            Part::Vendors | Part::Receiver | Part::LiveKitServer | Part::LiveKitSip => None,
        };
        process::program_under(shell.context("it is not ours, or has ended")?)
    }

    pub(super) async fn restart(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Node(index) => self.node(index)?.restart().await?,
            Part::Host => self.stack.edge_mut().restart().await?,
            Part::Redis => self.stack.redis_mut().context("Redis is not ours")?.restart().await?,
            Part::Postgres => self.stack.postgres_mut().context("Postgres is not ours")?.restart().await?,
            Part::LiveKitServer | Part::LiveKitSip => {
                let livekit = self.stack.livekit_mut().context("LiveKit is not ours")?;
                livekit.restart(of_livekit(part).context("no part of LiveKit")?).await?;
            }
            Part::Vendors | Part::Receiver => {}
        }
        self.look();
        Ok(())
    }

    fn node(&mut self, index: usize) -> Result<&mut Process> {
        match index.checked_sub(1) {
            None => Ok(self.stack.node_mut()),
            Some(further) => self.further.get_mut(further).context("no such node"),
        }
    }

    async fn stream(&self) -> Result<CallStream> {
        CallStream::open(&self.stack.redis_url, self.stack.options().region).await
    }

    async fn vendors(&self, orders: Value) -> Result<()> {
        let lab = self.stack.lab.as_ref().context("no lab")?;
        let url = format!("http://{}/lab/faults", lab.http);
        reqwest::Client::new().put(url).json(&orders).send().await?.error_for_status()?;
        Ok(())
    }

    fn mood(&self, mood: Mood) -> Result<()> {
        self.receiver.set(mood);
        Ok(())
    }

    /// Stops each node in good order and starts it again, while the others go on.
    pub(super) async fn roll(&mut self, tell: impl Fn(&str)) -> Result<()> {
        for index in 0..=self.further.len() {
            tell(&format!("node {} restarts in good order", index + 1));
            self.look();
            let node = self.node(index)?;
            node.end(DRAIN).await;
            node.restart().await?;
            node.ready(READY).await?;
        }
        Ok(())
    }

    /// Everything runs and is ready; whoever fell without being pushed is noted and started.
    pub(super) async fn recover(&mut self) -> Result<()> {
        for index in 0..=self.further.len() {
            let node = self.node(index)?;
            let fallen = node.check().err().map(|error| format!("{error:#}"));
            if fallen.is_some() {
                node.restart().await?;
            }
            node.ready(READY).await?;
            self.fallen.extend(fallen);
        }
        let health = format!("{}/healthz", self.stack.api_url);
        let edge = self.stack.edge_mut();
        let fallen = edge.check().err().map(|error| format!("{error:#}"));
        if fallen.is_some() {
            edge.restart().await?;
        }
        edge.answers(&health, READY).await?;
        self.fallen.extend(fallen);
        // It was not pushed any more, so it would have no reason to be gone.
        self.fallen.extend(
            self.stack
                .livekit_mut()
                .and_then(|livekit| livekit.check().err())
                .map(|error| format!("{error:#}")),
        );
        self.look();
        Ok(())
    }

    /// Starts the first node again, after all were stopped.
    pub(super) async fn start_node(&mut self) -> Result<()> {
        let node = self.node(0)?;
        node.restart().await?;
        node.ready(READY).await?;
        self.look();
        Ok(())
    }

    /// Stops the nodes in good order.
    pub(super) async fn stop_nodes(&mut self) -> Result<()> {
        self.look();
        for index in 0..=self.further.len() {
            self.node(index)?.end(DRAIN).await;
        }
        Ok(())
    }

    /// Stops the rest, and tells who is still there.
    pub(super) async fn stop(self) -> Vec<String> {
        self.stack.stop(Duration::from_secs(1)).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left: Vec<&Seen> = self.seen.iter().filter(|process| process.is_alive()).collect();
            if left.is_empty() || Instant::now() > deadline {
                return left.into_iter().map(|process| format!("{} {}", process.pid, process.name)).collect();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

const fn of_livekit(part: Part) -> Option<LiveKitPart> {
    match part {
        Part::LiveKitServer => Some(LiveKitPart::Server),
        Part::LiveKitSip => Some(LiveKitPart::Sip),
        _ => None,
    }
}

/// What the vendors are told to do wrong.
fn orders(step: Step) -> Value {
    const VENDORS: [&str; 3] = ["deepgram", "openai", "cartesia"];
    const KINDS: [&str; 4] = ["stall", "garbage", "429", "500"];
    if step.trouble == Trouble::CutMidWord {
        return VENDORS
            .iter()
            .map(|vendor| json!({"provider": vendor, "kind": "drop", "count": 2}))
            .collect();
    }
    let choose = |words: &[&'static str], by: u64| words[(by % words.len() as u64) as usize];
    json!([{"provider": choose(&VENDORS, step.variety), "kind": choose(&KINDS, step.variety / 3), "count": 3}])
}
