use super::support::*;
use crate::context::CallContext;
use crate::journal::{Journal, JournalEnd};
use std::sync::Arc;
use talkif_model::CallStatus;
use tokio::sync::mpsc;

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

#[tokio::test]
async fn leases_are_judged_as_of_the_last_calm_and_not_of_now() {
    let world = World::new().await;
    let (_, called) = world.lead("+12025550111").await;
    let (_, claimed) = world.lead("+12025550112").await;
    world.sql(&format!("update calls set status = 'initiated', {EXPIRED}")).await;
    world.sql(&format!("update calls set dialed_at = now() where id = '{}'", called.uuid())).await;
    let janitor = world.janitor(&Arc::default());
    let now_us: i64 =
        world.text("(extract(epoch from now()) * 1000000)::bigint").await.unwrap().parse().unwrap();
    janitor.judge(now_us - 62_000_000).await.unwrap();
    assert_eq!(world.count("from calls where status = 'initiated'").await, 2);
    janitor.judge(now_us).await.unwrap();
    assert_eq!(world.call(called, "status").await.as_deref(), Some("failed"));
    assert_eq!(world.call(claimed, "status").await.as_deref(), Some("queued"));
}

#[tokio::test]
async fn an_orphan_that_cannot_be_ended_keeps_no_other_from_its_end() {
    let world = World::new().await;
    let (_, first) = world.lead("+12025550111").await;
    let (_, second) = world.lead("+12025550112").await;
    world.sql(&format!("update calls set status = 'in_progress', dialed_at = now(), {EXPIRED}")).await;
    world
        .sql(&format!(
            "update calls set lease_until = lease_until - interval '1 hour' where id = '{}'",
            first.uuid()
        ))
        .await;
    world
        .sql("create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end'")
        .await;
    world.sql(&format!("create trigger refuse before update on calls for each row when (new.ended_at is not null and new.id = '{}') execute function refuse()", first.uuid())).await;
    world.janitor(&Arc::default()).round().await.unwrap();
    assert_eq!(world.call(first, "status").await.as_deref(), Some("in_progress"));
    assert_eq!(world.call(second, "end_reason").await.as_deref(), Some("agent_crashed"));
}
