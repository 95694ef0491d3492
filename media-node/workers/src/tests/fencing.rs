//! A node that was paused for longer than its leases, and wakes up.

use super::support::*;
use super::unsteady::Pausing;
use crate::context::CallContext;
use crate::journal::{End, Journal};
use crate::runner::{CallRunner, Stage};
use crate::running::Running;
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use talkif_model::{CallStatus, EndReason};
use talkif_session::job::{CallJob, Reports};
use talkif_telephony::CallLeg;
use tokio::sync::Semaphore;

/// The leases of a node that sleeps run out.
async fn time_passes(world: &World) {
    world
        .sql("update calls set lease_until = now() - interval '1 minute' where lease_until is not null")
        .await;
}

/// Another node does what it does every few seconds.
async fn others_go_on(world: &World, other: &Node) {
    world.janitor(&Arc::default()).round().await.unwrap();
    other.sweep().await;
}

#[tokio::test]
async fn a_dialer_that_slept_past_its_lease_does_not_dial_wherever_it_fell_asleep() {
    // Whether the other node could still dial the same attempt.
    for (fell_asleep, other_dials) in [
        ("dialing.take", true),
        ("dialing.facts", true),
        ("dialing.claim", true),
        ("dialing.mark_dialed", false),
    ] {
        let world = World::new().await;
        let (_, call) = world.lead("+12025550111").await;
        let other = Node::new(&world);
        let pausing = Pausing::after(fell_asleep, &world.region.db);
        let sleeper = Node::over(&world, Arc::clone(&pausing) as _);

        let dialer = Arc::clone(&sleeper.dialer);
        let sweep = tokio::spawn(async move { dialer.sweep_once().await });
        pausing.asleep.notified().await;
        time_passes(&world).await;
        others_go_on(&world, &other).await;
        // Waking up, the renewal runs first or second, but it runs.
        sleeper.stage.running.renew(&*world.region.db).await.unwrap();
        pausing.wake.notify_one();
        sweep.await.unwrap().unwrap();
        sleeper.settle().await;

        assert_eq!(sleeper.dialed(), [], "{fell_asleep}");
        let expected = if other_dials { vec![call] } else { Vec::new() };
        assert_eq!(other.dialed(), expected, "{fell_asleep}");
        let first = "from calls where attempt_no = 1 and ended_at is not null";
        assert_eq!(world.count(first).await, 1, "{fell_asleep}");
        assert_eq!(world.count("from calls where attempt_no = 2 and status = 'queued'").await, 1);
        assert_eq!(world.count("from events where type = 'call.ended'").await, 1, "{fell_asleep}");
    }
}

/// A session that goes on until it is dropped.
#[derive(Default)]
struct Talking {
    speaks: Arc<AtomicBool>,
    reports: Mutex<Option<Reports>>,
}

struct Silence(Arc<AtomicBool>);

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl CallRunner for Talking {
    async fn run(&self, _job: CallJob, _leg: Box<dyn CallLeg>, reports: Reports) {
        self.speaks.store(true, Ordering::SeqCst);
        let _silence = Silence(Arc::clone(&self.speaks));
        reports.send(status(CallStatus::InProgress)).unwrap();
        *self.reports.lock().unwrap() = Some(reports);
        std::future::pending().await
    }
}

/// A call in conversation on a node of its own.
async fn conversation(world: &World) -> (Node, Arc<Talking>, CallContext) {
    let (_, call) = world.lead("+12025550111").await;
    let talking = Arc::new(Talking::default());
    let stage =
        Stage { runner: Arc::clone(&talking) as _, running: Running::default(), journal: world.journal() };
    let node = Node::on(world, stage, Carrier::default(), Arc::new(Semaphore::new(1)));
    node.dialer.sweep_once().await.unwrap();
    until(async || world.call(call, "status").await.as_deref() == Some("in_progress")).await;
    let context = CallContext::read(&*world.region.db, world.account, call, 1).await.unwrap().unwrap();
    (node, talking, context)
}

#[tokio::test]
async fn a_node_that_slept_past_its_lease_falls_silent_and_writes_nothing() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (sleeper, talking, context) = conversation(&world).await;
    assert!(talking.speaks.load(Ordering::SeqCst));
    time_passes(&world).await;
    world.janitor(&Arc::default()).round().await.unwrap();
    let rows = async || {
        let mut counts = Vec::new();
        for table in ["turns", "events", "spans", "webhook_deliveries", "recordings", "dial_decisions"] {
            counts.push(world.count(&format!("from {table}")).await);
        }
        counts
    };
    let (before, ended) = (rows().await, world.call(context.call_id, "ended_at").await);

    // It wakes up and tries to go on: its session reports, its journals write, its janitor walks.
    let reports = talking.reports.lock().unwrap().clone().unwrap();
    reports.send(status(CallStatus::InProgress)).unwrap();
    reports.send(finished(qualified())).unwrap();
    drop(reports);
    let end = End::plain(CallStatus::Completed, EndReason::CallerHangup, crate::fresh::now_us());
    assert_eq!(Journal::new(world.journal(), context.clone()).end(end).await, Ok(false));
    world.janitor_of(&Arc::default(), &sleeper.stage.running).round().await.unwrap();
    sleeper.settle().await;

    assert!(!talking.speaks.load(Ordering::SeqCst), "the session was dropped");
    assert_eq!(sleeper.stage.running.count(), 0);
    assert_eq!(rows().await, before);
    assert_eq!(world.call(context.call_id, "ended_at").await, ended);
    assert_eq!(world.call(context.call_id, "end_reason").await.as_deref(), Some("agent_crashed"));
    assert_eq!(sleeper.slots.available_permits(), 1, "the slot is free again");
}

#[tokio::test]
async fn a_renewal_that_finds_the_lease_gone_silences_the_session_before_it_writes_anything() {
    let world = World::new().await;
    let (sleeper, talking, _) = conversation(&world).await;
    time_passes(&world).await;
    world.janitor(&Arc::default()).round().await.unwrap();
    sleeper.stage.running.renew(&*world.region.db).await.unwrap();
    until(async || !talking.speaks.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_renewal_does_not_bring_back_the_lease_of_a_call_that_was_given_back() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world.sql("update calls set lease_token = 1, lease_owner = null, lease_until = null").await;
    let running = Running::default();
    let _entered = running.enter(call, 1);
    running.renew(&*world.region.db).await.unwrap();
    assert_eq!(world.call(call, "lease_until is null").await.as_deref(), Some("true"));
}

#[tokio::test]
async fn a_lost_answer_of_the_claim_does_not_strand_the_call_even_where_there_is_one_node_only() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    let node = Node::forgetting(&world, &["dialing.claim"]);
    node.sweep().await;
    assert_eq!(world.call(call, "status").await.as_deref(), Some("initiated"));
    time_passes(&world).await;
    world.sql("update calls set lease_owner = 'janitor'").await;
    world.janitor_of(&Arc::default(), &node.stage.running).round().await.unwrap();
    node.sweep().await;
    assert_eq!(node.dialed(), [call]);
}

#[tokio::test]
async fn a_janitor_leaves_alone_what_its_own_node_runs_however_old_the_lease() {
    let world = World::new().await;
    let (node, _talking, context) = conversation(&world).await;
    time_passes(&world).await;
    world.janitor_of(&Arc::default(), &node.stage.running).round().await.unwrap();
    assert_eq!(world.call(context.call_id, "status").await.as_deref(), Some("in_progress"));
}
