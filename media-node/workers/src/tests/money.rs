//! Calls are charged to the balance, and an empty balance calls nobody.

use super::support::*;
use crate::context::CallContext;
use crate::fresh;
use crate::journal::{End, Journal};
use talkif_model::{CallId, CallStatus, EndReason};

async fn balance(world: &World) -> i64 {
    world.text("select balance_microcents from account_settings").await.unwrap().parse().unwrap()
}

/// A call under token 1, answered so many seconds ago, if it was.
async fn held(world: &World, answered_s: Option<u32>) -> (CallContext, CallId) {
    let (_, call) = world.lead("+12025550111").await;
    let answered = answered_s.map_or("null".into(), |s| format!("now() - interval '{s} s'"));
    world
        .sql(&format!(
            "update calls set status = 'in_progress', dialed_at = now() - interval '10 minutes', answered_at = {answered},
                lease_owner = 'a', lease_token = 1, lease_until = now() + interval '15 s' where id = '{}'",
            call.uuid()
        ))
        .await;
    (CallContext::read(&*world.region.db, world.account, call, 1).await.unwrap().unwrap(), call)
}

async fn end(world: &World, context: &CallContext, reason: EndReason) -> bool {
    let end = End::plain(CallStatus::Completed, reason, fresh::now_us());
    Journal::new(world.journal(), context.clone()).end(end).await.unwrap()
}

#[tokio::test]
async fn started_minutes_are_charged_once_and_an_account_without_money_calls_nobody() {
    let world = World::new().await;
    world
        .sql("update account_settings set balance_microcents = 1500000, rate_microcents_per_minute = 300000")
        .await;
    let (context, call) = held(&world, Some(61)).await;
    assert!(end(&world, &context, EndReason::CallerHangup).await);
    assert!(!end(&world, &context, EndReason::CallerHangup).await);
    assert_eq!(balance(&world).await, 900_000);
    let bill = world.call(call, "billed_minutes || ' ' || charged_microcents").await;
    assert_eq!(bill.as_deref(), Some("2 600000"));

    let (_, next) = world.lead("+12025550112").await;
    let node = Node::new(&world);
    node.sweep().await;
    assert!(node.dialed().is_empty());
    assert_eq!(world.call(next, "end_reason").await.as_deref(), Some("balance_depleted"));
    assert_eq!(world.call(next, "failure_code").await.as_deref(), Some("insufficient_balance"));
}

#[tokio::test]
async fn only_conversations_that_we_saw_to_their_end_are_charged() {
    for (answered_s, reason) in [
        (None, EndReason::NoAnswer),
        (Some(120), EndReason::AgentCrashed),
        (Some(120), EndReason::Reconciled),
    ] {
        let world = World::new().await;
        let before = balance(&world).await;
        let (context, _) = held(&world, answered_s).await;
        assert!(end(&world, &context, reason).await);
        assert_eq!(balance(&world).await, before, "{reason}");
    }
}

#[tokio::test]
async fn a_call_that_costs_more_than_there_is_leaves_a_debt_and_is_not_cut() {
    let world = World::new().await;
    world
        .sql("update account_settings set balance_microcents = 1000000, rate_microcents_per_minute = 700000")
        .await;
    let (context, _) = held(&world, Some(90)).await;
    assert!(end(&world, &context, EndReason::AgentCompleted).await);
    assert_eq!(balance(&world).await, -400_000);
}
