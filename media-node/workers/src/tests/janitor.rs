use super::support::*;
use super::unsteady::AwayUntil;
use crate::clock::RegionClock;
use crate::context::CallContext;
use crate::janitor::Janitor;
use crate::journal::{ArtifactLinks, Journal, JournalEnd, JournalSetup};
use crate::live::Live;
use crate::running::{LEASE, RENEWAL, Running};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_model::{CallStatus, Region};
use tokio::sync::mpsc;
use tokio::time::Instant;

const EXPIRED: &str = "lease_owner = 'dead', lease_token = 1, lease_until = now() - interval '1 minute'";

#[tokio::test]
async fn a_call_whose_node_died_between_claim_and_dial_is_dialled_by_another() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world.sql(&format!("update calls set status = 'initiated', {EXPIRED}")).await;
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(world.call(call, "status").await.as_deref(), Some("queued"));

    let node = Node::new(&world);
    node.sweep().await;
    assert_eq!(node.dialed(), [call]);
    assert_eq!(world.call(call, "attempt_no").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_call_whose_invite_may_be_out_is_never_dialled_again_but_its_lead_is() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world
        .sql(&format!(
            "update calls set status = 'initiated', dialed_at = now() - interval '2 minutes', {EXPIRED}"
        ))
        .await;
    let janitor = world.janitor(&Arc::default());
    janitor.round().await.unwrap();
    janitor.round().await.unwrap();
    assert_eq!(
        world.call(call, "status || ' ' || end_reason").await.as_deref(),
        Some("failed agent_crashed")
    );
    assert_eq!(world.count("from calls where attempt_no = 2 and status = 'queued'").await, 1);
}

#[tokio::test]
async fn an_orphaned_conversation_ends_as_crashed_and_is_final() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (lead, call) = world.lead("+12025550111").await;
    world.sql(&format!("update calls set status = 'in_progress', dialed_at = now(), answered_at = now(), slots = '{{\"budget\": \"12k\"}}', {EXPIRED}")).await;
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(
        world.call(call, "status || ' ' || end_reason").await.as_deref(),
        Some("failed agent_crashed")
    );
    assert_eq!(world.call(call, "slots ->> 'budget'").await.as_deref(), Some("12k"));
    assert_eq!(world.lead_column(lead, "state").await.as_deref(), Some("reached"));
    assert_eq!(world.count("from calls").await, 1);
    assert_eq!(world.count("from webhook_deliveries where event_type = 'outcome.not_fit'").await, 1);
}

#[tokio::test]
async fn a_live_lease_is_left_alone() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world.sql("update calls set status = 'ringing', dialed_at = now(), lease_owner = 'alive', lease_token = 1, lease_until = now() + interval '10 s'").await;
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(world.call(call, "status").await.as_deref(), Some("ringing"));
}

#[tokio::test]
async fn a_call_far_beyond_its_limits_is_reconciled_and_its_holder_stops() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world.sql("update calls set status = 'in_progress', dialed_at = now() - interval '1 hour', answered_at = now() - interval '1 hour', lease_owner = 'stuck', lease_token = 1, lease_until = now() + interval '10 s'").await;
    let context = CallContext::read(&*world.region.db, world.account, call, 1).await.unwrap().unwrap();
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(world.call(call, "end_reason").await.as_deref(), Some("reconciled"));

    let (sender, inbox) = mpsc::unbounded_channel();
    sender.send(finished(qualified())).unwrap();
    assert_eq!(Journal::new(world.journal(), context).run(inbox).await, JournalEnd::LeaseLost);
    assert_eq!(world.call(call, "end_reason").await.as_deref(), Some("reconciled"));
}

#[tokio::test]
async fn a_session_whose_lease_is_gone_is_told_to_stop() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world.sql("update calls set status = 'in_progress', dialed_at = now(), lease_owner = 'a', lease_token = 1, lease_until = now()").await;
    let node = Node::new(&world);
    let entered = node.stage.running.enter(call, 1);
    node.stage.running.renew(&*world.region.db).await.unwrap();
    assert!(!entered.lost().is_cancelled());
    assert_eq!(world.call(call, "lease_until > now() + interval '10 s'").await.as_deref(), Some("true"));

    world.sql("update calls set lease_token = 2").await;
    node.stage.running.renew(&*world.region.db).await.unwrap();
    assert!(entered.lost().is_cancelled());
    drop(entered);
    assert_eq!(node.stage.running.count(), 0);
}

#[tokio::test]
async fn expired_recordings_are_deleted_once() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world
        .sql(&format!(
            "insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
             values ('{}', '{}', 'a.wav', 1, 1, now() - interval '1 s')",
            call.uuid(),
            world.account.uuid()
        ))
        .await;
    let store = Arc::new(Store::default());
    let janitor = world.janitor(&store);
    janitor.round().await.unwrap();
    janitor.round().await.unwrap();
    assert_eq!(*store.deleted.lock().unwrap(), ["a.wav"]);
    assert_eq!(world.count("from recordings where deleted_at is not null").await, 1);
}

#[tokio::test]
async fn a_recording_that_cannot_be_deleted_does_not_keep_others() {
    let world = World::new().await;
    for path in ["stuck.wav", "a.wav"] {
        let (_, call) = world.lead("+12025550111").await;
        world
            .sql(&format!(
                "insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
                 values ('{}', '{}', '{path}', 1, 1, now() - interval '1 s')",
                call.uuid(),
                world.account.uuid()
            ))
            .await;
    }
    let store = Arc::new(Store { cannot_delete: Some("stuck.wav".into()), ..Store::default() });
    world.janitor(&store).round().await.unwrap();
    assert_eq!(*store.deleted.lock().unwrap(), ["a.wav"]);
    let later =
        "from recordings where path = 'stuck.wav' and deleted_at is null and deletion_failed_at is not null";
    assert_eq!(world.count(later).await, 1);
}

#[tokio::test]
async fn what_a_crash_left_in_the_object_store_is_deleted_and_what_a_call_knows_is_kept() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world
        .sql(&format!(
            "insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
             values ('{}', '{}', 'known.rec', 1, 1, now() + interval '1 day')",
            call.uuid(),
            world.account.uuid()
        ))
        .await;
    let untouched = ["known.rec", "known.rec.part", "lost.rec"].map(str::to_owned).into();
    let store = Arc::new(Store { untouched, ..Store::default() });
    world.janitor(&store).delete_leftovers().await.unwrap();
    let mut deleted = store.deleted.lock().unwrap().clone();
    deleted.sort();
    assert_eq!(deleted, ["known.rec.part", "lost.rec"]);
}

#[tokio::test]
async fn a_dead_node_of_an_inbound_call_ends_it_without_calling_back() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    world.sql(&format!("update calls set direction = 'inbound', lead_id = null, status = 'ringing', ringing_at = now(), {EXPIRED}")).await;
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(world.call(call, "status").await.as_deref(), Some(CallStatus::Failed.as_str()));
    assert_eq!(world.count("from calls").await, 1);
}

/// However long the database was away: the nodes renew what they run before it is judged.
#[tokio::test(start_paused = true)]
async fn after_an_outage_nobodys_calls_are_taken_before_everybody_had_the_time_to_renew() {
    for away_ms in (0..40_000).step_by(1_700) {
        let back = Instant::now() + Duration::from_millis(away_ms);
        let db = Arc::new(AwayUntil { back, answered: Mutex::default() });
        let client = redis::Client::open("redis://127.0.0.1:9").unwrap();
        let (live, _feed) = Live::new(client, "nobody:listens".into());
        let journal = JournalSetup {
            db: Arc::clone(&db) as _,
            clock: RegionClock::default(),
            region: Region::EuWest,
            links: ArtifactLinks { base: "http://artifacts.test".into(), key: vec![1; 32].into() },
            live,
            exporter: None,
            courier: Arc::default(),
        };
        let recordings = Arc::new(Store::default());
        let janitor = Janitor { journal, recordings, owner: "janitor".into(), running: Running::default() };
        let walk = tokio::spawn(janitor.run(never()));
        tokio::time::sleep(Duration::from_millis(away_ms) + LEASE).await;
        walk.abort();

        let answered = db.answered.lock().unwrap();
        let taken = answered.iter().find(|(_, name)| *name == "janitor.take_orphans");
        let (at, _) = taken.expect("orphans are looked for in the end");
        assert!(*at >= back + RENEWAL * 2, "{away_ms}: {:?} after it came back", *at - back);
    }
}
