//! From a seed to what goes wrong, and when. Pure.
//!
//! Every part of the installation has a track of its own, on which one trouble follows another;
//! the tracks run side by side, so that troubles of different parts meet. On each track every
//! trouble of that part comes once, in a shuffled order, before any comes again.
//!
//! To add a trouble: a variant, its line in [`troubles_of`], and what it means in the driver.

use super::random::Random;

/// A part of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A media node, from 0.
    Node(usize),
    /// Who serves the components.
    Host,
    /// The streams and limits.
    Redis,
    /// The truth.
    Postgres,
    /// Rooms, where calls go through LiveKit.
    LiveKitServer,
    /// The telephone side of LiveKit.
    LiveKitSip,
    /// The AI vendors.
    Vendors,
    /// The customer's webhook receiver.
    Receiver,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// SIGKILL, and started again.
    Killed,
    /// SIGSTOP for seconds.
    Paused,
    /// SIGSTOP until the leases have run out and others have taken over.
    PausedPastTheLease,
    /// FLUSHALL.
    Emptied,
    /// Entries in the stream of calls that mean nothing.
    FilledWithJunk,
    /// Somebody reads entries of the stream and dies before it has acknowledged them.
    ReadByTheDead,
    /// No file may grow beyond a size: the disk is full, for the log as well.
    DiskFull,
    /// The time of day jumps hours ahead, and back.
    ClockAhead,
    /// The time of day jumps hours back, and ahead again.
    ClockBehind,
    /// The connection breaks in the middle of an answer.
    CutMidWord,
    /// A vendor refuses, stalls or talks nonsense.
    Misbehaves,
    /// Answers 500.
    Fails,
    /// Takes a request and does not answer.
    Hangs,
    /// Answers after seconds.
    Slow,
    /// Closes connections.
    Cuts,
}

impl Trouble {
    /// For the table.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Paused => "paused for seconds",
            Self::PausedPastTheLease => "paused past the lease",
            Self::Emptied => "emptied",
            Self::FilledWithJunk => "stream filled with junk",
            Self::ReadByTheDead => "stream read by one who dies",
            Self::DiskFull => "disk full",
            Self::ClockAhead => "clock hours ahead",
            Self::ClockBehind => "clock hours behind",
            Self::CutMidWord => "connection cut mid-word",
            Self::Misbehaves => "refuses, stalls or talks nonsense",
            Self::Fails => "answers 500",
            Self::Hangs => "hangs",
            Self::Slow => "answers slowly",
            Self::Cuts => "cuts connections",
        }
    }
}

impl Part {
    /// For the table.
    pub(super) fn words(self) -> String {
        match self {
            Self::Node(index) => format!("node {}", index + 1),
            Self::Host => "host".to_owned(),
            Self::Redis => "Redis".to_owned(),
            Self::Postgres => "Postgres".to_owned(),
            Self::LiveKitServer => "livekit-server".to_owned(),
            Self::LiveKitSip => "livekit-sip".to_owned(),
            Self::Vendors => "vendor".to_owned(),
            Self::Receiver => "webhook receiver".to_owned(),
        }
    }
}

/// How rough the run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roughness {
    /// Media nodes.
    pub(super) nodes: usize,
    /// No trouble begins after this, except for those that have not come yet.
    pub(super) window_ms: u64,
    /// The longest peace between two troubles of one part.
    pub(super) peace_ms: u64,
    /// The longest time that a killed part stays away.
    pub(super) away_ms: u64,
    /// Whether the nodes' clocks can be set.
    pub(super) clocks: bool,
    /// Whether calls go through LiveKit.
    pub(super) livekit: bool,
}

/// One trouble of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Since the beginning.
    pub(super) at_ms: u64,
    /// Whose.
    pub(super) part: Part,
    /// What.
    pub(super) trouble: Trouble,
    /// Until it is put right.
    pub(super) lasts_ms: u64,
    /// For troubles that come in varieties.
    pub(super) variety: u64,
}

/// All troubles, by their beginnings.
pub(super) fn plan(seed: u64, roughness: Roughness) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut parts: Vec<Part> = (0..roughness.nodes).map(Part::Node).collect();
    parts.extend([Part::Host, Part::Redis, Part::Postgres, Part::Vendors, Part::Receiver]);
    if roughness.livekit {
        parts.extend([Part::LiveKitServer, Part::LiveKitSip]);
    }
    let mut steps: Vec<Step> =
        parts.into_iter().flat_map(|part| track(part, roughness, &mut random)).collect();
    steps.sort_by_key(|step| (step.at_ms, step.part));
    steps
}

fn track(part: Part, roughness: Roughness, random: &mut Random) -> Vec<Step> {
    let (mut steps, mut at_ms, mut first_round) = (Vec::new(), 0, true);
    loop {
        for trouble in random.shuffled(&troubles_of(part, roughness.clocks)) {
            at_ms += random.between(roughness.peace_ms / 4, roughness.peace_ms);
            if !first_round && at_ms >= roughness.window_ms {
                return steps;
            }
            let lasts_ms = duration(part, trouble, roughness, random);
            steps.push(Step { at_ms, part, trouble, lasts_ms, variety: random.between(0, 1_000) });
            at_ms += lasts_ms;
        }
        first_round = false;
    }
}

fn troubles_of(part: Part, clocks: bool) -> Vec<Trouble> {
    let mut troubles = match part {
        // The second node sleeps past its lease while the first, which takes over, is awake.
        Part::Node(1) => vec![Trouble::PausedPastTheLease, Trouble::Killed],
        Part::Node(_) => vec![Trouble::Killed, Trouble::Paused, Trouble::DiskFull],
        Part::Host | Part::Postgres => vec![Trouble::Killed, Trouble::Paused],
        Part::LiveKitServer | Part::LiveKitSip => vec![Trouble::Killed],
        Part::Redis => vec![
            Trouble::Killed,
            Trouble::Paused,
            Trouble::Emptied,
            Trouble::FilledWithJunk,
            Trouble::ReadByTheDead,
        ],
        Part::Vendors => vec![Trouble::CutMidWord, Trouble::Misbehaves],
        Part::Receiver => vec![Trouble::Fails, Trouble::Hangs, Trouble::Slow, Trouble::Cuts],
    };
    match part {
        Part::Node(1) if clocks => troubles.push(Trouble::ClockAhead),
        Part::Node(_) if clocks => troubles.push(Trouble::ClockBehind),
        _ => {}
    }
    troubles
}

/// A lease lasts 15 s, and janitors add 5 s of grace and up to 5 s until they look.
const PAST_THE_LEASE_MS: (u64, u64) = (26_000, 28_000);

fn duration(part: Part, trouble: Trouble, roughness: Roughness, random: &mut Random) -> u64 {
    let (from, to) = match (part, trouble) {
        (Part::LiveKitServer | Part::LiveKitSip, Trouble::Killed) => (500, roughness.away_ms.min(8_000)),
        (_, Trouble::Killed) => (500, roughness.away_ms),
        (Part::Node(_), Trouble::Paused) => (2_000, 6_000),
        (_, Trouble::Paused) => (1_000, 4_000),
        (_, Trouble::PausedPastTheLease) => PAST_THE_LEASE_MS,
        (_, Trouble::Emptied | Trouble::FilledWithJunk | Trouble::ReadByTheDead) => (0, 0),
        // Long enough for calls to begin, to be recorded and to end under it.
        (_, Trouble::DiskFull | Trouble::ClockAhead | Trouble::ClockBehind) => (5_000, 9_000),
        (Part::Vendors, _) => (3_000, 6_000),
        _ => (2_000, 5_000),
    };
    random.between(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const ROUGH: Roughness = Roughness {
        nodes: 2,
        window_ms: 60_000,
        peace_ms: 6_000,
        away_ms: 5_000,
        clocks: true,
        livekit: true,
    };

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        assert_eq!(plan(42, ROUGH), plan(42, ROUGH));
        assert_ne!(plan(42, ROUGH), plan(43, ROUGH));
    }

    #[test]
    fn every_trouble_of_every_part_comes_at_least_once_however_short_the_run() {
        for seed in 0..50 {
            let steps = plan(seed, Roughness { window_ms: 1, ..ROUGH });
            let seen: BTreeSet<(Part, Trouble)> =
                steps.iter().map(|step| (step.part, step.trouble)).collect();
            let parts = [Part::Node(0), Part::Node(1), Part::Host, Part::Redis, Part::Postgres];
            let others = [Part::Vendors, Part::Receiver, Part::LiveKitServer, Part::LiveKitSip];
            for part in parts.into_iter().chain(others) {
                for trouble in troubles_of(part, true) {
                    assert!(seen.contains(&(part, trouble)), "seed {seed}: {part:?} {trouble:?}");
                }
            }
        }
    }

    #[test]
    fn a_part_has_one_trouble_at_a_time() {
        for seed in 0..50 {
            let mut free_at: BTreeMap<Part, u64> = BTreeMap::new();
            for step in plan(seed, ROUGH) {
                let free = free_at.entry(step.part).or_default();
                assert!(*free <= step.at_ms, "seed {seed}: {step:?}");
                *free = step.at_ms + step.lasts_ms;
            }
        }
    }

    #[test]
    fn troubles_of_different_parts_meet() {
        let steps = plan(1, ROUGH);
        let meets =
            |a: &Step, b: &Step| a.part != b.part && a.at_ms < b.at_ms && b.at_ms < a.at_ms + a.lasts_ms;
        assert!(steps.iter().any(|a| steps.iter().any(|b| meets(a, b))));
    }

    #[test]
    fn a_pause_past_the_lease_outlasts_lease_grace_and_a_round_of_the_janitor() {
        let long = plan(5, ROUGH).into_iter().filter(|step| step.trouble == Trouble::PausedPastTheLease);
        assert!(long.into_iter().all(|step| step.lasts_ms >= 25_000));
    }
    #[test]
    fn where_clocks_cannot_be_set_and_calls_go_directly_nothing_of_that_kind_is_planned() {
        for step in plan(7, Roughness { clocks: false, livekit: false, ..ROUGH }) {
            assert!(!matches!(step.part, Part::LiveKitServer | Part::LiveKitSip), "{step:?}");
            assert!(!matches!(step.trouble, Trouble::ClockAhead | Trouble::ClockBehind), "{step:?}");
        }
    }
}
