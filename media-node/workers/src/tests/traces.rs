//! Traces are a courtesy: nobody waits for the collector.

use super::courier::Receiver;
use super::support::*;
use super::unsteady::Pausing;
use crate::context::CallContext;
use crate::journal::{End, Journal, JournalSetup};
use crate::otlp::Exporter;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{CallStatus, EndReason};

const LONG: Duration = Duration::from_secs(60);

/// Ends a call that is under way.
async fn end_a_call(world: &World, setup: JournalSetup, phone: &str) {
    let (_, call) = world.lead(phone).await;
    world
        .sql("update calls set status = 'in_progress', dialed_at = now(), lease_owner = 'a', lease_token = 1, lease_until = now() + interval '1 minute' where ended_at is null")
        .await;
    let context = CallContext::read(&*world.region.db, world.account, call, 1).await.unwrap().unwrap();
    let end = End::plain(CallStatus::Failed, EndReason::AgentCrashed, crate::fresh::now_us());
    let ended = tokio::time::timeout(LONG, Journal::new(setup, context).end(end)).await;
    assert_eq!(ended.expect("nobody waits for the collector"), Ok(true));
}

#[tokio::test]
async fn a_call_is_over_before_its_trace_is_exported_and_a_node_that_stops_waits_for_that() {
    let (world, collector) = (World::new().await, Receiver::default());
    let exporter = Exporter::new(&collector.listen().await, "eu-west").unwrap();
    let pausing = Pausing::after("journal.spans", &world.region.db);
    let setup =
        JournalSetup { db: Arc::clone(&pausing) as _, exporter: Some(exporter.clone()), ..world.journal() };
    // Many, so that some must wait for others.
    for call in 0..70 {
        end_a_call(&world, setup.clone(), &format!("+120255501{call:02}")).await;
    }
    assert_eq!(collector.bodies().len(), 0);
    let wake = tokio::spawn(async move {
        loop {
            pausing.wake.notify_one();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    exporter.finish(LONG).await;
    wake.abort();
    assert_eq!(collector.bodies().len(), 70);
}

#[tokio::test]
async fn a_node_that_stops_leaves_a_collector_that_hangs() {
    let world = World::new().await;
    let exporter = Exporter::new("http://127.0.0.1:9", "eu-west").unwrap();
    let pausing = Pausing::after("journal.spans", &world.region.db);
    let setup =
        JournalSetup { db: Arc::clone(&pausing) as _, exporter: Some(exporter.clone()), ..world.journal() };
    end_a_call(&world, setup, "+12025550111").await;
    pausing.asleep.notified().await;
    let finished = tokio::time::timeout(LONG, exporter.finish(Duration::from_millis(1))).await;
    assert_eq!(finished, Ok(()));
}
