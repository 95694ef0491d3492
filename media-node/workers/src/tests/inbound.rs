use super::support::*;
use crate::inbound::Inbound;
use crate::shutdown::Shutdown;
use std::sync::{Arc, Mutex};
use talkif_model::CallStatus;
use talkif_telephony::{IncomingCall, Rejection};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

/// Rings once at `to` and waits until the call is over; returns how it was rejected, if it was.
async fn ring(world: &World, to: &str, slots: usize) -> (Vec<Rejection>, Arc<Sessions>) {
    ring_while(world, to, slots, never()).await
}

async fn ring_while(
    world: &World,
    to: &str,
    slots: usize,
    shutdown: Shutdown,
) -> (Vec<Rejection>, Arc<Sessions>) {
    let (incoming, calls) = mpsc::unbounded_channel();
    let rejected = Arc::new(Mutex::new(Vec::new()));
    let leg = Box::new(Leg { id: "in@sip".into(), rejected: Arc::clone(&rejected) });
    incoming.send(IncomingCall { from: "+12025550177".into(), to: to.into(), leg }).ok().unwrap();
    drop(incoming);
    let sessions = Arc::new(Sessions::default());
    sessions.scripts.lock().unwrap().push_back(vec![status(CallStatus::InProgress), finished(qualified())]);
    let tracker = TaskTracker::new();
    let inbound = Inbound {
        stage: world.stage(&sessions),
        telephony: Arc::new(Carrier::with_incoming(calls)),
        directory: world.directory(),
        slots: Arc::new(Semaphore::new(slots)),
        owner: "node".into(),
        calls: tracker.clone(),
        shutdown,
    };
    inbound.run().await;
    tracker.close();
    tracker.wait().await;
    let rejected = rejected.lock().unwrap().clone();
    (rejected, sessions)
}

#[tokio::test]
async fn a_caller_is_answered_by_the_numbers_flow() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (rejected, sessions) = ring(&world, OWN_NUMBER, 1).await;
    assert_eq!(rejected, []);
    let job = sessions.jobs.lock().unwrap().pop().unwrap();
    assert_eq!(job.flow.id.as_str(), "flow_pricing_v3");
    assert_eq!(job.variables["contact.phone"], "+12025550177");
    assert_eq!(
        world.call(job.call_id, "direction || ' ' || status").await.as_deref(),
        Some("inbound completed")
    );
    let order = world.text("select string_agg(event_type, ' ' order by seq) from webhook_deliveries").await;
    assert_eq!(order.as_deref(), Some("call.answered outcome.qualified"));
}

#[tokio::test]
async fn refused_callers_hear_why_and_are_on_record_where_the_number_is_ours() {
    let table = [
        ("select 1", "+12025550999", 1, Rejection::UnknownNumber, None),
        (
            "update numbers set status = 'suspended'",
            OWN_NUMBER,
            1,
            Rejection::UnknownNumber,
            Some("unknown_phone_number"),
        ),
        (
            "update directory.accounts set status = 'suspended'",
            OWN_NUMBER,
            1,
            Rejection::NoFlow,
            Some("account_suspended"),
        ),
        ("update numbers set flow_id = null", OWN_NUMBER, 1, Rejection::NoFlow, Some("no_connected_flow")),
        ("update flows set archived_at = now()", OWN_NUMBER, 1, Rejection::NoFlow, Some("no_connected_flow")),
        (
            "update account_settings set balance_microcents = 0",
            OWN_NUMBER,
            1,
            Rejection::Busy,
            Some("insufficient_balance"),
        ),
        (
            "update account_settings set concurrent_calls = 0",
            OWN_NUMBER,
            1,
            Rejection::Busy,
            Some("no_free_slot"),
        ),
        ("select 1", OWN_NUMBER, 0, Rejection::Busy, Some("no_free_slot")),
    ];
    for (arrangement, to, slots, rejection, code) in table {
        let world = World::new().await;
        world.sql(arrangement).await;
        let (rejected, sessions) = ring(&world, to, slots).await;
        assert_eq!(rejected, [rejection], "{arrangement}");
        assert!(sessions.jobs.lock().unwrap().is_empty());
        assert_eq!(
            world.text("select max(failure_code) from calls where status = 'failed'").await.as_deref(),
            code
        );
    }
}

#[tokio::test]
async fn a_draining_node_turns_callers_away() {
    let world = World::new().await;
    let shutdown = never();
    shutdown.ask();
    let (rejected, _) = ring_while(&world, OWN_NUMBER, 1, shutdown).await;
    assert_eq!(rejected, [Rejection::Unavailable]);
    assert_eq!(world.count("from calls").await, 0);
}
