//! Upkeep that falls behind, and catches up.

use super::support::*;
use crate::janitor::{Janitor, REPEATS};
use crate::journal::JournalSetup;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use talkif_store::{Cell, Db, DbError, Param, Row, Statement};

/// Answers that there was as much as it takes, always; counts what was asked.
#[derive(Default)]
struct Full {
    asked: Mutex<BTreeMap<&'static str, usize>>,
}

#[async_trait]
impl Db for Full {
    async fn query(&self, statement: &Statement, _: Vec<Param>) -> Result<Vec<Row>, DbError> {
        *self.asked.lock().unwrap().entry(statement.name).or_default() += 1;
        Ok(vec![Row::new(Arc::from(["changes".to_owned()]), vec![Cell::Int(1_000)])])
    }
}

#[tokio::test]
async fn what_comes_back_full_is_repeated_but_no_duty_keeps_the_others_from_their_turn() {
    let (world, db) = (World::new().await, Arc::new(Full::default()));
    let janitor = world.janitor(&Arc::default());
    let journal = JournalSetup { db: Arc::clone(&db) as _, ..janitor.journal.clone() };
    Janitor { journal, ..janitor }.tidy().await.unwrap();
    let asked = db.asked.lock().unwrap().clone();
    for duty in ["janitor.give_up_disabled", "janitor.forget", "janitor.tally"] {
        assert_eq!(asked.get(duty), Some(&REPEATS), "{asked:?}");
    }
}

#[tokio::test]
async fn thousands_of_things_to_forget_or_give_up_are_gone_after_one_round() {
    let world = World::new().await;
    let endpoint = world.endpoint("http://127.0.0.1:9/").await;
    world
        .sql(&format!(
            "insert into idempotency_keys (account_id, key, route, body_sha256, status, response, created_at)
             select '{}', n::text, 'r', '', 202, '', now() - interval '2 days' from generate_series(1, 2500) n",
            world.account.uuid()
        ))
        .await;
    world
        .sql(&format!(
            "insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, payload)
             select gen_random_uuid(), '{}', '{endpoint}', gen_random_uuid(), 'call.started', '{{}}'
             from generate_series(1, 2500) n",
            world.account.uuid()
        ))
        .await;
    world.sql("update webhook_endpoints set disabled_at = now() - interval '4 days'").await;
    world.janitor(&Arc::default()).tidy().await.unwrap();
    assert_eq!(world.count("from idempotency_keys").await, 0);
    assert_eq!(world.count("from webhook_deliveries where state = 'dead'").await, 2_500);
}

/// Expired recordings of so many calls.
async fn expired(world: &World, recordings: usize) {
    let account = world.account.uuid();
    world
        .sql(&format!(
            "with added as (
                insert into calls (id, account_id, direction, from_number, to_number, trace_id, status, end_reason, ended_at)
                select gen_random_uuid(), '{account}', 'inbound', '+12025550100', '+12025550101', 'x',
                       'completed', 'caller_hangup', now()
                from generate_series(1, {recordings})
                returning id)
             insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
             select id, '{account}', id::text, 1, 1, now() - interval '1 s' from added"
        ))
        .await;
}

#[tokio::test]
async fn nodes_share_the_recordings_that_expired_and_delete_all_of_them_in_a_round() {
    let world = World::new().await;
    expired(&world, 450).await;
    let store = Arc::new(Store::default());
    let (one, other) = (world.janitor(&store), world.janitor(&store));
    let (first, second) = tokio::join!(one.tidy(), other.tidy());
    first.and(second).unwrap();
    let mut deleted = store.deleted.lock().unwrap().clone();
    assert_eq!(deleted.len(), 450, "none twice");
    deleted.sort_unstable();
    deleted.dedup();
    assert_eq!(deleted.len(), 450);
    assert_eq!(world.count("from recordings where deleted_at is null").await, 0);
}

#[tokio::test]
async fn a_recording_that_a_node_took_and_did_not_delete_is_anothers_after_an_hour() {
    let world = World::new().await;
    expired(&world, 1).await;
    let taken = &talkif_store::janitor::EXPIRED_RECORDINGS;
    assert_eq!(world.region.db.query(taken, Vec::new()).await.unwrap().len(), 1);
    let store = Arc::new(Store::default());
    world.janitor(&store).tidy().await.unwrap();
    assert_eq!(store.deleted.lock().unwrap().len(), 0);
    world.sql("update recordings set deletion_failed_at = now() - interval '61 minutes'").await;
    world.janitor(&store).tidy().await.unwrap();
    assert_eq!(store.deleted.lock().unwrap().len(), 1);
}
