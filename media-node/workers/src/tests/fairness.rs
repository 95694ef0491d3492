//! Who goes first when a node has little room: whoever has the least under way.

use super::courier::queue;
use super::support::*;
use uuid::Uuid;

/// An account with this many slots and calls under way, and five that wait; the first for as many
/// minutes.
async fn account(world: &World, slots: u32, active: u32, minutes: u32) -> Uuid {
    let id = Uuid::now_v7();
    let settings = format!(
        "insert into account_settings (account_id, name, concurrent_calls) values ('{id}', 'x', {slots})"
    );
    world.sql(&settings).await;
    let calls = format!(
        "insert into calls (id, account_id, direction, from_number, to_number, trace_id, status, not_before)
         select gen_random_uuid(), '{id}', 'outbound', '+12025550100', '+1202555' || (1000 + n), 'x',
                case when n <= {active} then 'in_progress' else 'queued' end,
                now() - interval '{minutes} minutes' + n * interval '1 second'
         from generate_series(1, {active} + 5) n"
    );
    world.sql(&calls).await;
    id
}

/// How many calls of these accounts a node with so many slots leases at once.
async fn leased<const N: usize>(world: &World, slots: usize, accounts: [Uuid; N]) -> [i64; N] {
    Node::with(world, Carrier::default(), slots).sweep().await;
    let mut leased = [0; N];
    for (count, account) in leased.iter_mut().zip(accounts) {
        *count = world.count(&format!("from calls where account_id = '{account}' and lease_token > 0")).await;
    }
    leased
}

#[tokio::test]
async fn a_free_slot_goes_to_the_account_with_the_fewest_calls_under_way() {
    let world = World::new().await;
    let (busy, idle) = (account(&world, 10, 3, 60).await, account(&world, 10, 0, 1).await);
    assert_eq!(leased(&world, 4, [busy, idle]).await, [1, 3], "at the fourth they are even");
}

#[tokio::test]
async fn an_account_without_free_slots_comes_after_those_that_have_some() {
    let world = World::new().await;
    let (full, busy) = (account(&world, 1, 1, 60).await, account(&world, 10, 3, 1).await);
    assert_eq!(leased(&world, 1, [full, busy]).await, [0, 1]);
    assert_eq!(leased(&world, 64, [full, busy]).await, [1, 5], "it is asked about all the same");
}

/// Endpoints in the order of their ids.
async fn endpoints(world: &World) -> [Uuid; 2] {
    let mut endpoints =
        [world.endpoint("http://127.0.0.1:9/").await, world.endpoint("http://127.0.0.1:9/").await];
    endpoints.sort();
    endpoints
}

#[tokio::test]
async fn a_free_place_goes_to_the_endpoint_with_the_fewest_deliveries_under_way() {
    let world = World::new().await;
    let [slow, idle] = endpoints(&world).await;
    for _ in 0..8 {
        queue(&world, slow, Uuid::now_v7(), "{}").await;
    }
    let courier = world.courier();
    assert_eq!(courier.claim_for_test(3).await, [slow; 3]);
    for _ in 0..8 {
        queue(&world, idle, Uuid::now_v7(), "{}").await;
    }
    for _ in 0..3 {
        assert_eq!(courier.claim_for_test(1).await, [idle]);
    }
    assert_eq!(courier.claim_for_test(1).await, [slow], "they are even, and its delivery waited longer");
}

#[tokio::test]
async fn of_two_endpoints_with_as_much_under_way_the_one_that_waited_longer_goes_first() {
    let world = World::new().await;
    let [first, second] = endpoints(&world).await;
    queue(&world, first, Uuid::now_v7(), "{}").await;
    let earlier = queue(&world, second, Uuid::now_v7(), "{}").await;
    world
        .sql(&format!(
            "update webhook_deliveries set next_at = now() - interval '1 minute' where id = '{earlier}'"
        ))
        .await;
    assert_eq!(world.courier().claim_for_test(1).await, [second]);
}
