use super::support::*;
use crate::dialer::CallStream;
use std::sync::atomic::Ordering;
use talkif_model::{CallStatus, EndReason, Outcome};

#[tokio::test(flavor = "multi_thread")]
async fn two_dialers_racing_for_fifty_calls_dial_each_exactly_once() {
    let world = World::new().await;
    for n in 0..50 {
        world.lead(&format!("+1202555{:04}", 1000 + n)).await;
    }
    let (one, other) = (Node::new(&world), Node::new(&world));
    tokio::join!(
        async {
            for _ in 0..3 {
                one.sweep().await
            }
        },
        async {
            for _ in 0..3 {
                other.sweep().await
            }
        }
    );

    let mut dialed = [one.dialed(), other.dialed()].concat();
    dialed.sort();
    let attempts = dialed.len();
    dialed.dedup();
    assert_eq!((attempts, dialed.len()), (50, 50));
    assert_eq!(world.count("from calls where attempt_no = 1 and status = 'no_answer'").await, 50);
    assert_eq!(world.count("from dial_decisions where verdict = 'dial'").await, 50);
}

#[tokio::test]
async fn an_attempt_goes_from_the_gate_to_its_outcome() {
    let world = World::new().await;
    let (lead, call) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    node.script(vec![status(CallStatus::Ringing), status(CallStatus::InProgress), finished(qualified())]);
    node.sweep().await;

    assert_eq!(node.dialed(), [call]);
    assert_eq!(world.call(call, "status").await.as_deref(), Some("completed"));
    assert_eq!(world.call(call, "sip_call_id").await, Some(format!("sip-{call}")));
    assert_eq!(world.call(call, "lease_owner").await, None);
    assert_eq!(world.lead_column(lead, "state").await.as_deref(), Some("reached"));
    assert_eq!(world.lead_column(lead, "outcome").await.as_deref(), Some("qualified"));
    let job = node.sessions.jobs.lock().unwrap().pop().unwrap();
    assert_eq!(job.variables["contact.name"], "Ece");
    assert_eq!(job.variables["account.name"], "Helena");
}

#[tokio::test]
async fn who_is_not_reached_is_queued_again_once_as_the_flow_says() {
    let world = World::new().await;
    let (lead, call) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    node.sweep().await;
    node.sweep().await;

    assert_eq!(node.dialed(), [call]);
    assert_eq!(world.count("from calls").await, 2);
    let due = "select not_before between now() + interval '13 minutes' and now() + interval '17 minutes'
               from calls where attempt_no = 2 and status = 'queued'";
    assert_eq!(world.text(due).await.as_deref(), Some("true"));
    assert_eq!(world.lead_column(lead, "state").await.as_deref(), Some("queued"));
}

#[tokio::test]
async fn the_last_attempt_exhausts_the_lead() {
    let world = World::new().await;
    let (lead, _) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    for _ in 0..6 {
        world.sql("update calls set not_before = now() where status = 'queued'").await;
        node.sweep().await;
    }
    assert_eq!(node.dialed().len(), 4);
    assert_eq!(world.lead_column(lead, "state").await.as_deref(), Some("exhausted"));
    assert_eq!(world.lead_column(lead, "outcome").await.as_deref(), Some("no_answer"));
}

#[tokio::test]
async fn a_wrong_number_is_never_dialled_again() {
    let world = World::new().await;
    let (lead, _) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    node.script(vec![finished(ending(
        CallStatus::Failed,
        EndReason::TelephonyError,
        Some(Outcome::WrongNumber),
    ))]);
    node.sweep().await;
    assert_eq!(world.count("from calls").await, 1);
    assert_eq!(world.lead_column(lead, "outcome").await.as_deref(), Some("wrong_number"));
}

/// Every kind of refusal and hold: what is arranged, and what the audit must say.
#[tokio::test]
async fn each_refusal_of_the_gate_leaves_its_audit_and_ends_the_lead() {
    let refusals = [
        (
            "insert into dnc_entries (account_id, phone, source) select account_id, phone, 'api' from leads",
            "contact_on_dnc_list",
            1,
        ),
        (
            "insert into dnc_entries (account_id, phone, source) select account_id, phone, 'call_opt_out' from leads",
            "opted_out",
            1,
        ),
        (
            "insert into consents (id, account_id, phone, granted, source, at)
          select gen_random_uuid(), account_id, phone, false, 'api', now() + interval '1 second' from leads",
            "consent_missing",
            1,
        ),
        ("delete from consents", "consent_missing", 1),
        ("update flows set archived_at = now()", "flow_not_published", 1),
        ("update numbers set status = 'suspended'", "phone_number_not_active", 1),
        ("update account_settings set balance_microcents = 0", "insufficient_balance", 1),
        ("update account_settings set max_attempts_per_lead = 0", "lead_attempts_exhausted", 1),
        ("delete from account_settings", "account_suspended", 1),
        (
            "update calls set created_at = now() - interval '9 minutes', dial_deadline = now() - interval '8 minutes'",
            "dial_deadline_passed",
            1,
        ),
        // Its owner closed it, and need not be told.
        ("update leads set state = 'canceled', finished_at = now()", "lead_closed", 0),
    ];
    for (arrangement, reason, webhooks) in refusals {
        let world = World::new().await;
        let (_, call) = world.lead("+12025550111").await;
        world.endpoint("http://127.0.0.1:9/").await;
        world.sql(arrangement).await;
        let node = Node::new(&world);
        node.sweep().await;
        assert!(node.dialed().is_empty(), "{reason}");
        let audit = world.text("select reason from dial_decisions where verdict = 'refuse'").await;
        assert_eq!(audit.as_deref(), Some(reason));
        assert_eq!(world.call(call, "failure_code").await.as_deref(), Some(reason));
        let ended = world.call(call, "status in ('canceled', 'failed')").await;
        assert_eq!(ended.as_deref(), Some("true"), "{reason}");
        assert_eq!(world.count("from leads where state = 'queued'").await, 0, "{reason}");
        assert_eq!(
            world.count("from webhook_deliveries where event_type like 'outcome.%'").await,
            webhooks,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn each_hold_of_the_gate_leaves_its_audit_and_the_call_queued() {
    let at_night = format!("update leads set timezone = '{}'", zone_at(3));
    let holds = [
        ("update account_settings set concurrent_calls = 0", "no_free_slot"),
        ("update account_settings set max_daily_calls = 0", "daily_call_limit_exceeded"),
        ("update account_settings set max_daily_calls_per_number = 0", "number_daily_cap"),
        (&at_night, "outside_callable_hours"),
    ];
    for (arrangement, reason) in holds {
        let world = World::new().await;
        let (lead, call) = world.lead("+12025550111").await;
        world.sql(arrangement).await;
        let node = Node::new(&world);
        node.sweep().await;
        world.sql("update calls set not_before = now()").await;
        node.sweep().await;
        assert!(node.dialed().is_empty(), "{reason}");
        assert_eq!(
            world.count("from dial_decisions where verdict = 'hold'").await,
            1,
            "{reason}: one for one reason"
        );
        assert_eq!(world.call(call, "status").await.as_deref(), Some("queued"), "{reason}");
        let waits =
            world.call(call, "not_before > now() and held_reason is not null and lease_owner is null").await;
        assert_eq!(waits.as_deref(), Some("true"), "{reason}");
        assert_eq!(world.lead_column(lead, "state").await.as_deref(), Some("queued"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_dialers_never_take_more_slots_than_the_account_has() {
    let world = World::new().await;
    for n in 0..12 {
        world.lead(&format!("+1202555{:04}", 1000 + n)).await;
    }
    world.sql("update account_settings set concurrent_calls = 3").await;
    // Sessions that never end, so that every claimed slot stays taken.
    let (one, other) = (Node::new(&world), Node::new(&world));
    for node in [&one, &other] {
        for _ in 0..12 {
            node.script(vec![status(CallStatus::Ringing)]);
        }
    }
    world
        .sql(
            "create function stay() returns trigger language plpgsql as $$ begin
               if new.ended_at is not null then return null; end if; return new; end $$",
        )
        .await;
    world.sql("create trigger stay before update on calls for each row execute function stay()").await;
    let (a, b) = tokio::join!(one.dialer.sweep_once(), other.dialer.sweep_once());
    a.and(b).unwrap();
    until(async || one.dialed().len() + other.dialed().len() >= 3).await;
    until(async || world.count("from calls where held_reason is not null").await >= 9).await;
    assert_eq!(one.dialed().len() + other.dialed().len(), 3);
}

#[tokio::test]
async fn a_carrier_that_cannot_dial_is_a_failure_that_is_retried() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    let node = Node::with(&world, Carrier { refuses_to_dial: true, ..Carrier::default() }, 1);
    node.sweep().await;
    assert_eq!(world.call(call, "failure_code").await.as_deref(), Some("dial_failed"));
    assert_eq!(world.count("from calls where attempt_no = 2 and status = 'queued'").await, 1);
}

#[tokio::test]
async fn a_number_without_carrier_fails_for_good() {
    let world = World::new().await;
    let (lead, call) = world.lead("+12025550111").await;
    world.sql("update numbers set termination_uri = null").await;
    let node = Node::new(&world);
    node.sweep().await;
    assert!(node.dialed().is_empty());
    assert_eq!(world.call(call, "failure_code").await.as_deref(), Some("no_trunk"));
    assert_eq!(world.lead_column(lead, "state").await.as_deref(), Some("blocked"));
}

#[tokio::test]
async fn the_stream_brings_a_call_at_once_and_survives_a_redis_that_forgot_everything() {
    let world = World::new().await;
    let node = Node::new(&world);
    let client = redis::Client::open(world.region.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let shutdown = never();
    let stream = CallStream::new(client, "talkif:eu-west:calls".into(), "node".into());
    let following = tokio::spawn(node.dialer.clone().follow(stream, shutdown.clone()));

    let (_, first) = world.lead("+12025550111").await;
    add(&mut redis, &first.to_string()).await;
    add(&mut redis, "nonsense").await;
    until(async || node.dialed() == [first]).await;

    // Redis came back empty: the stream and its group are gone.
    redis::cmd("FLUSHDB").query_async::<()>(&mut redis).await.unwrap();
    let (_, second) = world.lead("+12025550112").await;
    add(&mut redis, &second.to_string()).await;
    until(async || node.dialed() == [first, second]).await;
    until(async || length(&mut redis.clone()).await == 0).await;
    shutdown.ask();
    following.await.unwrap();
}

async fn add(redis: &mut redis::aio::MultiplexedConnection, call: &str) {
    let mut add = redis::cmd("XADD");
    add.arg("talkif:eu-west:calls").arg("*").arg("call_id").arg(call).arg("traceparent").arg("00-x");
    add.query_async::<()>(redis).await.unwrap();
}

async fn length(redis: &mut redis::aio::MultiplexedConnection) -> i64 {
    redis::cmd("XLEN").arg("talkif:eu-west:calls").query_async(redis).await.unwrap()
}

#[tokio::test]
async fn a_full_node_leaves_calls_to_others() {
    let world = World::new().await;
    world.lead("+12025550111").await;
    let (full, free) = (Node::with(&world, Carrier::default(), 0), Node::new(&world));
    full.sweep().await;
    assert!(full.dialed().is_empty());
    free.sweep().await;
    assert_eq!(free.dialed().len(), 1);
}

#[tokio::test]
async fn a_session_that_panics_ends_its_own_call_as_crashed() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    node.sessions.panics.store(true, Ordering::Relaxed);
    node.sweep().await;
    assert_eq!(
        world.call(call, "status || ' ' || end_reason").await.as_deref(),
        Some("failed agent_crashed")
    );
    assert_eq!(world.call(call, "sip_call_id").await, Some(format!("sip-{call}")));

    node.sessions.panics.store(false, Ordering::Relaxed);
    let (_, next) = world.lead("+12025550112").await;
    node.sweep().await;
    assert_eq!(world.call(next, "status").await.as_deref(), Some("no_answer"));
}
