//! Outages of the database, of each kind, and what a janitor makes of the leases after them.

use super::support::*;
use crate::calm::SETTLING;
use crate::clock::RegionClock;
use crate::janitor::Janitor;
use crate::journal::{ArtifactLinks, JournalSetup};
use crate::live::Live;
use crate::running::{RENEWAL, Running};
use crate::workers::renew;
use async_trait::async_trait;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_model::Region;
use talkif_store::{Cell, Db, DbError, Param, Row, Statement};
use tokio::time::Instant;

/// How a database is ill, by the test's clock.
#[derive(Debug, Clone)]
enum Trouble {
    /// It answers with errors.
    Away(Range<Duration>),
    /// It lets everything wait, and then answers well.
    Stalls(Range<Duration>),
    /// From then on its clock is a minute ahead.
    Steps(Duration),
}

impl Trouble {
    fn span(&self) -> Range<Duration> {
        match self {
            Self::Away(span) | Self::Stalls(span) => span.clone(),
            Self::Steps(at) => *at..*at,
        }
    }
}

/// A database that is ill; notes as of when it was asked for orphans, and when to renew leases, by
/// the test's clock.
struct Ailing {
    started: Instant,
    trouble: Trouble,
    judged: Mutex<Vec<Duration>>,
    renewals: Mutex<Vec<Duration>>,
}

const STEP: Duration = Duration::from_secs(60);

impl Ailing {
    fn new(trouble: Trouble) -> Arc<Self> {
        let started = Instant::now();
        Arc::new(Self { started, trouble, judged: Mutex::default(), renewals: Mutex::default() })
    }

    /// What its clock shows: the time since the start.
    fn shown(&self) -> Duration {
        let at = self.started.elapsed();
        if matches!(&self.trouble, Trouble::Steps(step) if at >= *step) { at + STEP } else { at }
    }

    /// When its clock showed that.
    fn meant(&self, shown: Duration) -> Duration {
        if matches!(&self.trouble, Trouble::Steps(step) if shown > *step) { shown - STEP } else { shown }
    }

    fn note(&self, params: &[Param]) {
        let Some(Param::Int(Some(as_of_us))) = params.get(2) else { panic!("{params:?}") };
        let shown = Duration::from_micros(u64::try_from(*as_of_us).unwrap());
        self.judged.lock().unwrap().push(self.meant(shown));
    }
}

#[async_trait]
impl Db for Ailing {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let (at, shown) = (self.started.elapsed(), self.shown());
        if statement.name == "nodes.renew_leases" {
            self.renewals.lock().unwrap().push(at);
        }
        match &self.trouble {
            Trouble::Away(span) if span.contains(&at) => return Err(DbError::Unavailable("away".into())),
            // What was sent into a connection that is gone never returns.
            Trouble::Stalls(span) if span.contains(&at) && statement.name == "nodes.renew_leases" => {
                return std::future::pending().await;
            }
            Trouble::Stalls(span) if span.contains(&at) => {
                tokio::time::sleep_until(self.started + span.end).await;
            }
            _ => {}
        }
        if statement.name == "janitor.take_orphans" {
            self.note(&params);
        }
        if statement.name != "janitor.answer" {
            return Ok(Vec::new());
        }
        let now_us = i64::try_from(shown.as_micros()).unwrap();
        Ok(vec![Row::new(Arc::from(["now_us".to_owned()]), vec![Cell::Int(now_us)])])
    }
}

fn janitor(db: &Arc<Ailing>) -> Janitor {
    let client = redis::Client::open("redis://127.0.0.1:9").unwrap();
    let (live, _feed) = Live::new(client, "nobody:listens".into());
    let journal = JournalSetup {
        db: Arc::clone(db) as _,
        clock: RegionClock::default(),
        region: Region::EuWest,
        links: ArtifactLinks { base: "http://artifacts.test".into(), key: vec![1; 32].into() },
        live,
        exporter: None,
        courier: Arc::default(),
    };
    let recordings = Arc::new(Store::default());
    Janitor { journal, recordings, owner: "janitor".into(), running: Running::default() }
}

/// A lease may be judged as of a time at which its node could have renewed it: before the
/// trouble, or once there was time to renew it afterwards.
async fn judges_fairly(trouble: Trouble) {
    let db = Ailing::new(trouble);
    let span = db.trouble.span();
    let walk = tokio::spawn(janitor(&db).run(never()));
    tokio::time::sleep_until(db.started + span.end + 3 * SETTLING).await;
    walk.abort();

    let judged = db.judged.lock().unwrap();
    let unfair = judged.iter().find(|as_of| (span.start..span.end + SETTLING).contains(*as_of));
    assert_eq!(unfair, None, "{:?}: {judged:?}", db.trouble);
    assert!(judged.iter().any(|as_of| *as_of > span.end), "{:?}: {judged:?}", db.trouble);
    let before = judged.iter().any(|as_of| *as_of < span.start);
    assert_eq!(before, span.start > SETTLING * 2, "{:?}: {judged:?}", db.trouble);
}

/// At the start, and in the middle of everything a janitor does.
fn starts() -> impl Iterator<Item = Duration> {
    std::iter::once(0).chain((20_000..30_000).step_by(300)).map(Duration::from_millis)
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_nobodys_calls_are_taken_before_everybody_had_the_time_to_renew() {
    for start in starts() {
        for lasts_ms in [6_500, 12_000, 33_300] {
            judges_fairly(Trouble::Away(start..start + Duration::from_millis(lasts_ms))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_lets_everybody_wait_and_then_answers_was_away_like_any_other() {
    for start in starts() {
        for lasts_ms in [6_500, 12_000, 25_000] {
            judges_fairly(Trouble::Stalls(start..start + Duration::from_millis(lasts_ms))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_ahead_ends_no_lease_that_could_not_be_renewed_since() {
    for start in starts().skip(1) {
        judges_fairly(Trouble::Steps(start)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_renews_its_leases_before_the_janitors_judge_again() {
    for (start, lasts_ms) in starts().flat_map(|start| [13_300, 16_100, 17_300].map(|ms| (start, ms))) {
        let db = Ailing::new(Trouble::Stalls(start..start + Duration::from_millis(lasts_ms)));
        let running = Running::default();
        let _call = running.enter(crate::fresh::call_id(), 1);
        let renewals = tokio::spawn(renew(running, Arc::clone(&db) as _));
        let end = db.trouble.span().end;
        tokio::time::sleep_until(db.started + end + SETTLING).await;
        renewals.abort();
        let asked = db.renewals.lock().unwrap().clone();
        assert!(asked.iter().any(|at| *at > end && *at < end + SETTLING - RENEWAL / 2), "{end:?}: {asked:?}");
    }
}
