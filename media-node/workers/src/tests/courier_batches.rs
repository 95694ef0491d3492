//! Many results in one statement: what is wrong with one of them is its own affair.

use super::courier::{Receiver, carry, queue, state};
use super::support::*;
use super::unsteady::AwayAt;
use crate::courier::Courier;
use std::sync::{Arc, Mutex};
use talkif_store::{Param, deliveries};
use uuid::Uuid;

fn texts<const N: usize>(values: [&str; N]) -> Param {
    values.map(str::to_owned).to_vec().into()
}

fn key(world: &World, owner: &str, rows: [Uuid; 2], attempt: u32) -> Vec<Param> {
    let (account, attempt) = (world.account.sql(), attempt.to_string());
    let [first, second] = rows.map(|row| row.to_string());
    vec![owner.into(), texts([&account, &account]), texts([&first, &second]), texts([&attempt, &attempt])]
}

/// Writes that both were delivered at this attempt.
async fn delivered(world: &World, owner: &str, rows: [Uuid; 2], attempt: u32) {
    let mut params = key(world, owner, rows, attempt);
    params.extend([texts(["200", "204"]), texts(["a", "b"]), texts(["1", "2"]), texts(["3", "4"])]);
    world.region.db.query(&deliveries::DELIVERED, params).await.unwrap();
}

/// Writes that both failed for good at this attempt, the first because its receiver is gone.
async fn failed(world: &World, owner: &str, rows: [Uuid; 2], attempt: u32) {
    let mut params = key(world, owner, rows, attempt);
    params.extend([texts(["500", ""]), texts(["e", "e"]), texts(["", ""]), texts(["true", "false"])]);
    world.region.db.query(&deliveries::FAILED, params).await.unwrap();
}

#[tokio::test]
async fn every_row_of_a_batch_is_fenced_for_itself() {
    let world = World::new().await;
    let endpoint = world.endpoint("http://127.0.0.1:9/").await;
    let mut rows = Vec::new();
    for _ in 0..4 {
        rows.push(queue(&world, endpoint, Uuid::now_v7(), "{}").await);
    }
    let courier = world.courier();
    let owner = courier.owner_for_test().to_owned();
    assert_eq!(courier.claim_for_test(20).await.len(), 4);
    let [ours, stolen, fails, lost] = rows[..] else { panic!("four were queued") };
    for row in [stolen, lost] {
        world.sql(&format!("update webhook_deliveries set lease_owner = 'another' where id = '{row}'")).await;
    }
    delivered(&world, &owner, [stolen, ours], 1).await;
    failed(&world, &owner, [lost, fails], 1).await;

    for (row, expected) in [(ours, "delivered"), (stolen, "pending"), (fails, "dead"), (lost, "pending")] {
        assert_eq!(state(&world, row).await, expected);
    }
    assert_eq!(world.count("from webhook_deliveries where lease_owner = 'another'").await, 2);
    assert_eq!(
        world.count("from webhook_endpoints where disabled_at is not null").await,
        0,
        "nor its verdict"
    );
    assert_eq!(world.count("from spans where name = 'webhook.out'").await, 1);
}

#[tokio::test]
async fn a_result_that_comes_after_its_courier_has_claimed_the_row_again_counts_for_nothing() {
    let world = World::new().await;
    let endpoint = world.endpoint("http://127.0.0.1:9/").await;
    let mut rows = Vec::new();
    for _ in 0..4 {
        rows.push(queue(&world, endpoint, Uuid::now_v7(), "{}").await);
    }
    let courier = world.courier();
    let owner = courier.owner_for_test().to_owned();
    for _ in 0..2 {
        world.sql("update webhook_deliveries set lease_until = now() - interval '1 s'").await;
        assert_eq!(courier.claim_for_test(20).await.len(), 4);
    }
    let [one, other, fails, too] = rows[..] else { panic!("four were queued") };
    delivered(&world, &owner, [one, other], 1).await;
    failed(&world, &owner, [fails, too], 1).await;
    assert_eq!(
        world.count("from webhook_deliveries where state = 'pending' and lease_until > now()").await,
        4
    );
    assert_eq!(world.count("from webhook_endpoints where disabled_at is null").await, 1);
    delivered(&world, &owner, [one, other], 2).await;
    failed(&world, &owner, [fails, too], 2).await;
    assert_eq!(world.count("from webhook_deliveries where state = 'pending'").await, 0);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_does_not_hold_back_the_others() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    world
        .sql(
            "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$",
        )
        .await;
    world
        .sql(
            "create trigger refuse before update on webhook_deliveries for each row
             when (new.payload = 'refused' and new.state = 'delivered') execute function refuse()",
        )
        .await;
    for payload in ["1", "refused", "2", "3"] {
        queue(&world, endpoint, Uuid::now_v7(), payload).await;
    }
    let delivered = async || world.count("from webhook_deliveries where state = 'delivered'").await == 3;
    carry(world.courier(), delivered).await;
    assert_eq!(receiver.bodies().len(), 4);
    let leased =
        "from webhook_deliveries where payload = 'refused' and state = 'pending' and lease_until > now()";
    assert_eq!(world.count(leased).await, 1, "it is tried again when its lease runs out");
}

#[tokio::test]
async fn results_that_were_not_written_are_sent_again_under_the_same_ids() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    for payload in ["1", "2", "3"] {
        queue(&world, endpoint, Uuid::now_v7(), payload).await;
    }
    let mut dying = world.courier_config(true);
    let statements = Mutex::new(vec!["deliveries.delivered"; 3]);
    dying.db = Arc::new(AwayAt { inner: Arc::clone(&world.region.db), statements });
    carry(Courier::new(dying).unwrap(), async || receiver.bodies().len() == 3).await;
    assert_eq!(world.count("from webhook_deliveries where state = 'pending'").await, 3);
    world.sql("update webhook_deliveries set lease_until = now() - interval '1 s'").await;
    let delivered = async || world.count("from webhook_deliveries where state = 'delivered'").await == 3;
    carry(world.courier(), delivered).await;
    let mut bodies = receiver.bodies();
    bodies.sort();
    assert_eq!(bodies, ["1", "1", "2", "2", "3", "3"]);
    let mut ids = receiver.ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn hundreds_of_deliveries_to_one_endpoint_all_arrive_once() {
    let (world, receiver) = (World::new().await, Receiver::default());
    let endpoint = world.endpoint(&receiver.listen().await).await;
    world
        .sql(&format!(
            "insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, payload)
             select gen_random_uuid(), '{}', '{endpoint}', gen_random_uuid(), 'call.completed', n::text
             from generate_series(1, 600) n",
            world.account.sql()
        ))
        .await;
    let delivered = async || world.count("from webhook_deliveries where state = 'delivered'").await == 600;
    carry(world.courier(), delivered).await;
    let mut numbers: Vec<u32> = receiver.bodies().iter().map(|body| body.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
    assert_eq!(world.count("from webhook_deliveries where attempts <> 1").await, 0);
}
