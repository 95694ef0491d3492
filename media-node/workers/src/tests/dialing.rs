use super::support::*;
use super::unsteady::Pausing;
use std::sync::Arc;
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
        ("update directory.accounts set status = 'suspended'", "account_suspended", 1),
        ("delete from directory.accounts", "account_suspended", 1),
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
    for _ in 0..4 {
        tokio::join!(one.sweep(), other.sweep());
        world.sql("update calls set not_before = now() where status = 'queued'").await;
    }
    assert!(world.count("from calls where held_reason = 'no_free_slot'").await > 0);
    assert_eq!(one.dialed().len() + other.dialed().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_dialers_never_pass_a_cap_together() {
    for cap in ["max_daily_calls", "max_daily_calls_per_number"] {
        let world = World::new().await;
        for _ in 0..8 {
            world.lead("+12025550111").await;
        }
        world.sql(&format!("update account_settings set {cap} = 3")).await;
        let (one, other) = (Node::new(&world), Node::new(&world));
        for _ in 0..6 {
            let soon = "update calls set not_before = now() where status = 'queued' and attempt_no = 1";
            world.sql(soon).await;
            tokio::join!(one.sweep(), other.sweep());
        }
        assert_eq!(one.dialed().len() + other.dialed().len(), 3, "{cap}");
    }
}

#[tokio::test]
async fn a_phone_that_is_on_a_call_of_the_account_is_not_rung_for_another_lead() {
    let world = World::new().await;
    let (_, first) = world.lead("+12025550111").await;
    world
        .sql("update calls set status = 'in_progress', dialed_at = now(), lease_until = now() + interval '15 s'")
        .await;
    let (_, second) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    node.sweep().await;
    assert!(node.dialed().is_empty());
    assert_eq!(world.call(second, "held_reason").await.as_deref(), Some("number_busy"));

    world.sql(&format!("update calls set status = 'completed', end_reason = 'caller_hangup', ended_at = now() where id = '{}'", first.uuid())).await;
    world.sql("update calls set not_before = now() where status = 'queued'").await;
    node.sweep().await;
    assert_eq!(node.dialed(), [second]);
}

#[tokio::test]
async fn a_person_who_opts_out_between_gate_and_claim_is_not_called() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    let pausing = Pausing::after("dialing.facts", &world.region.db);
    let node = Node::over(&world, Arc::clone(&pausing) as _);
    node.dialer.sweep_once().await.unwrap();
    pausing.asleep.notified().await;
    world
        .sql("insert into dnc_entries (account_id, phone, source) select account_id, phone, 'api' from leads")
        .await;
    pausing.wake.notify_one();
    node.settle().await;
    let other = Node::new(&world);
    other.sweep().await;
    assert_eq!((node.dialed(), other.dialed()), (Vec::new(), Vec::new()));
    assert_eq!(world.call(call, "failure_code").await.as_deref(), Some("contact_on_dnc_list"));
}

#[tokio::test]
async fn a_long_list_of_one_account_does_not_hold_up_another() {
    let world = World::new().await;
    for n in 0..12 {
        world.lead(&format!("+1202555{:04}", 1000 + n)).await;
    }
    world.sql("update calls set not_before = now() - interval '1 hour'").await;
    world.sql("update account_settings set concurrent_calls = 3").await;
    world
        .sql(
            "insert into calls (id, account_id, direction, from_number, to_number, trace_id)
             values (gen_random_uuid(), gen_random_uuid(), 'outbound', '+12025550100', '+12025550199', 'x')",
        )
        .await;
    let node = Node::with(&world, Carrier::default(), 4);
    node.sweep().await;
    assert_eq!(node.dialed().len(), 3, "as many as the account has slots");
    assert_eq!(world.count("from calls where trace_id = 'x' and status = 'canceled'").await, 1);
    assert_eq!(
        world.count("from calls where attempt_no = 1 and lease_token = 0").await,
        9,
        "not even leased"
    );
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
async fn a_session_that_panics_ends_its_own_call_alone_and_frees_its_slot() {
    let world = World::new().await;
    let (_, call) = world.lead("+12025550111").await;
    let node = Node::with(&world, Carrier::default(), 1);
    node.sessions.panics.store(true, Ordering::Relaxed);
    node.sweep().await;
    assert_eq!(world.call(call, "status || ' ' || end_reason").await.as_deref(), Some("failed agent_error"));
    assert_eq!(world.call(call, "sip_call_id").await, Some(format!("sip-{call}")));

    node.sessions.panics.store(false, Ordering::Relaxed);
    let (_, next) = world.lead("+12025550112").await;
    node.sweep().await;
    assert_eq!(world.call(next, "status").await.as_deref(), Some("no_answer"));
}
