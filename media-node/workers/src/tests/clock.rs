//! A node whose own clock is wrong, or jumps: what it writes down and signs is by the database's.

use super::courier::Receiver;
use super::support::*;
use super::workers::config;
use crate::clock::RegionClock;
use crate::fresh;
use crate::runner::{CallRunner, Stage};
use crate::running::Running;
use crate::{Ports, Workers};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use talkif_call_engine::io::Event;
use talkif_model::CallStatus;
use talkif_session::job::{CallJob, Entry, Report, Reports};
use talkif_telephony::CallLeg;
use tokio::sync::{Notify, Semaphore};

const HOUR: Duration = Duration::from_secs(3_600);

fn an_hour_slow() -> SystemTime {
    SystemTime::now() - HOUR
}

fn an_hour_fast() -> SystemTime {
    SystemTime::now() + HOUR
}

/// Sessions that are answered, go on until they are told to end, and know the time from the node.
struct Talking {
    clock: RegionClock,
    enough: Arc<Notify>,
}

impl Talking {
    fn report(&self, entry: Entry) -> Report {
        Report { at: self.clock.now(), entry }
    }
}

#[async_trait]
impl CallRunner for Talking {
    async fn run(&self, _job: CallJob, _leg: Box<dyn CallLeg>, reports: Reports) {
        let answered = Entry::Event(Event::Status { status: CallStatus::InProgress });
        reports.send(self.report(answered)).unwrap();
        self.enough.notified().await;
        let ended = Entry::Finished { ending: qualified(), sip_status: None, quality: None };
        reports.send(self.report(ended)).unwrap();
    }
}

#[tokio::test]
async fn a_call_is_neither_cut_nor_billed_by_the_clock_of_its_node() {
    for wrong in [an_hour_slow, an_hour_fast] as [fn() -> SystemTime; 2] {
        let world = World::new().await;
        let (_, call) = world.lead("+12025550111").await;
        let clock = RegionClock::until_told(wrong);
        let enough = Arc::new(Notify::new());
        let runner = Arc::new(Talking { clock: clock.clone(), enough: Arc::clone(&enough) });
        let mut journal = world.journal();
        journal.clock = clock;
        let stage = Stage { runner, running: Running::default(), journal };
        let node = Node::on(&world, stage, Carrier::default(), Arc::new(Semaphore::new(1)));

        node.dialer.sweep_once().await.unwrap();
        until(async || world.call(call, "status").await.as_deref() == Some("in_progress")).await;
        world.janitor(&Arc::default()).round().await.unwrap();
        assert_eq!(world.call(call, "status").await.as_deref(), Some("in_progress"));
        enough.notify_one();
        node.settle().await;

        assert_eq!(world.call(call, "end_reason").await.as_deref(), Some("agent_completed"));
        assert_eq!(world.call(call, "billed_minutes").await.as_deref(), Some("1"));
        let times = "abs(extract(epoch from now() - answered_at)) < 60 and abs(extract(epoch from now() - ended_at)) < 60";
        assert_eq!(world.call(call, times).await.as_deref(), Some("true"));
    }
}

#[tokio::test]
async fn webhooks_of_a_node_whose_clock_is_an_hour_off_are_dated_by_the_database() {
    let (world, receiver, collector) = (World::new().await, Receiver::default(), Receiver::default());
    world.endpoint(&receiver.listen().await).await;
    let clock = RegionClock::until_told(an_hour_fast);
    let ports = Ports {
        db: Arc::clone(&world.region.db),
        directory: Arc::clone(&world.region.db),
        clock: clock.clone(),
        telephony: Arc::new(Carrier::default()),
        runner: Arc::new(Sessions::default()),
        recordings: Arc::new(Store::default()),
    };
    let workers = Workers::start(config(&world, &collector.listen().await), ports).await.unwrap();
    until(async || clock.now_us().abs_diff(fresh::now_us()) < 60_000_000).await;
    world.lead("+12025550111").await;
    until(async || !receiver.timestamps().is_empty()).await;
    let now = fresh::now_us() / 1_000_000;
    assert!(receiver.timestamps().iter().all(|at| at.abs_diff(now) < 60), "{:?}", receiver.timestamps());
    workers.drain(Duration::from_secs(10)).await;
}
