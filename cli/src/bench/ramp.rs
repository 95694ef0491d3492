//! More and more whole calls at once, until the node's frames are no longer in time.
//!
//! The node has a core for itself, at real-time priority if the system allows it, and the lab, the stores and the edge have the others: what the
//! load costs is not in the node's figures. A call's share of the processor is all that the node
//! used from the first lead to the last goodbye over all seconds of all calls, dialling and
//! writing down included.

use super::calls::{Caller, Ended, time};
use super::cores::Processes;
use super::plot::{Curve, Plot};
use super::process_stats::{cpu_seconds, resident_mib};
use super::table::{Figure, Mark};
use crate::demo::Persona;
use crate::stack::may_go_first;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// A frame in a hundred may be late.
const LATE_SHARE: f64 = 0.01;
/// Between two leads: no multiple of a frame's 20 ms, so that their answers fall anywhere in it.
const APART: Duration = Duration::from_millis(23);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(500);

/// What a round of calls came to.
struct Round {
    calls: usize,
    /// Most calls that were answered and not over.
    at_once: usize,
    unbooked: usize,
    late: f64,
    call_seconds: f64,
    node_seconds: f64,
    host_seconds: f64,
    lab_seconds: f64,
    node_mib: f64,
    host_mib: f64,
}

/// Rounds of `counts` calls until one of them is not carried, with the curve as SVG.
pub(crate) async fn run(caller: &Caller<'_>, counts: &[usize]) -> Result<(Vec<Figure>, String)> {
    let processes = Processes::find(caller.stack.node_pid().context("the node has ended")?)?;
    let parted = processes.part()?;
    // The first calls fill pools and caches that stay.
    let people = caller.people(&[Persona::Books], 3)?;
    caller.round(&people, Duration::from_millis(100)).await?;
    let idle = (resident_mib(processes.node)?, resident_mib(processes.host)?);
    let mut rounds = Vec::new();
    for count in counts {
        eprintln!("  {count} calls …");
        let round = measure(caller, &processes, idle, *count).await?;
        eprintln!("  {}", round.line());
        let carried = round.is_carried();
        rounds.push(round);
        if !carried {
            break;
        }
    }
    let mut figures: Vec<Figure> = rounds.iter().flat_map(Round::figures).collect();
    let carried = rounds.iter().filter(|round| round.is_carried()).map(|round| round.at_once).max();
    let name = match (parted, may_go_first()) {
        (true, true) => "calls at once on the node's one core, at real-time priority",
        (true, false) => "calls at once on the node's one core",
        (false, _) => "calls at once on one core",
    };
    figures
        .push(Figure::new("calls", name, carried.unwrap_or_default() as f64, "").mark(Mark::AtLeast(100.0)));
    Ok((figures, plot(&rounds)))
}

async fn measure(caller: &Caller<'_>, of: &Processes, idle: (f64, f64), calls: usize) -> Result<Round> {
    let people = caller.people(&[Persona::Books], calls)?;
    let used = || anyhow::Ok([cpu_seconds(of.node)?, cpu_seconds(of.host)?, cpu_seconds(of.lab)?]);
    let before = used()?;
    let (mut node_mib, mut host_mib) = idle;
    let looks = async {
        loop {
            node_mib = node_mib.max(resident_mib(of.node)?);
            host_mib = host_mib.max(resident_mib(of.host)?);
            tokio::time::sleep(LOOK).await;
        }
    };
    let ended = tokio::select! {
        ended = caller.round(&people, APART) => ended?,
        failed = looks => return failed,
    };
    let after = used()?;
    let spans: Vec<(f64, f64)> = ended.iter().filter_map(talk).collect();
    Ok(Round {
        calls,
        at_once: most_at_once(&spans),
        unbooked: ended.iter().filter(|call| call.call["outcome"] != "booked").count(),
        late: late_share(&ended),
        call_seconds: spans.iter().map(|(from, until)| until - from).sum(),
        node_seconds: after[0] - before[0],
        host_seconds: after[1] - before[1],
        lab_seconds: after[2] - before[2],
        node_mib: node_mib - idle.0,
        host_mib: host_mib - idle.1,
    })
}

impl Round {
    fn is_carried(&self) -> bool {
        self.late <= LATE_SHARE && self.unbooked == 0
    }

    /// The share of a core that one call takes of a process.
    fn share(&self, seconds: f64) -> f64 {
        seconds / self.call_seconds.max(f64::MIN_POSITIVE)
    }

    fn line(&self) -> String {
        format!(
            "{} at once, {:.2} % of a core each (lab {:.2} %), {:.2} MiB each, {:.2} % of frames late, {} not booked",
            self.at_once,
            self.share(self.node_seconds) * 100.0,
            self.share(self.lab_seconds) * 100.0,
            self.node_mib / self.at_once.max(1) as f64,
            self.late * 100.0,
            self.unbooked
        )
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |name: &str, value, unit| {
            Figure::new("calls", format!("{} calls: {name}", self.calls), value, unit)
        };
        let each = |mib: f64| mib / self.at_once.max(1) as f64;
        let node = self.share(self.node_seconds);
        vec![
            figure("at once", self.at_once as f64, ""),
            figure("node's processor time per call", node * 100.0, "% of a core").beside(13.0),
            figure("calls that this makes a core", 1.0 / node.max(f64::MIN_POSITIVE), ""),
            figure("node's memory per call", each(self.node_mib), "MiB").beside(95.0).mark(Mark::AtMost(3.0)),
            figure("host's processor time per call", self.share(self.host_seconds) * 100.0, "% of a core"),
            figure("host's memory per call", each(self.host_mib), "MiB"),
            figure("lab's processor time per call", self.share(self.lab_seconds) * 100.0, "% of a core"),
            figure("frames more than 5 ms late", self.late * 100.0, "%"),
            figure("calls that did not book", self.unbooked as f64, ""),
        ]
    }
}

fn plot(rounds: &[Round]) -> String {
    let curve = |name, value: &dyn Fn(&Round) -> f64| {
        let mut curve = Curve::named(name);
        curve.points = rounds.iter().map(|round| (round.at_once.max(1) as f64, value(round))).collect();
        curve
    };
    let curves = vec![
        curve("% of a core per call", &|round| round.share(round.node_seconds) * 100.0),
        curve("MiB per call", &|round| round.node_mib / round.at_once.max(1) as f64),
        curve("% of frames late", &|round| round.late * 100.0),
    ];
    Plot { title: "The node under more and more calls", x: "calls at once", y: "", curves }.svg()
}

/// From answer to end, Unix seconds.
fn talk(ended: &Ended) -> Option<(f64, f64)> {
    let at = |name: &str| Some(time(&ended.call[name])?.as_millisecond() as f64 / 1e3);
    Some((at("answered_at")?, at("ended_at")?))
}

fn most_at_once(spans: &[(f64, f64)]) -> usize {
    let during = |at: f64| spans.iter().filter(|(from, until)| *from <= at && at < *until).count();
    spans.iter().map(|(from, _)| during(*from)).max().unwrap_or_default()
}

/// The share of all frames that the sessions sent more than 5 ms after they were due.
fn late_share(ended: &[Ended]) -> f64 {
    let spans = ended.iter().flat_map(|call| call.call["trace"].as_array().into_iter().flatten());
    let (late, all) = spans.fold((0.0, 0.0), |(late, all), span| {
        let attribute = |name: &str| span["attributes"][name].as_f64().unwrap_or_default();
        (late + attribute("media.frames_late"), all + attribute("media.frames"))
    });
    if all > 0.0 { late / all } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_count_as_at_once_while_they_overlap() {
        assert_eq!(most_at_once(&[(0.0, 3.0), (1.0, 2.0), (2.0, 4.0)]), 2);
        assert_eq!(most_at_once(&[]), 0);
    }
}
