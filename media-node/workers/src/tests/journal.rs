use super::support::*;
use super::unsteady::Forgetful;
use crate::context::CallContext;
use crate::journal::{End, Journal, JournalEnd};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_call_engine::io::Event;
use talkif_model::{Booking, CallId, CallStatus, EndReason, Outcome, Personal, Speaker, Turn};
use talkif_session::job::{Entry, Report};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// A call that has been dialled under token 1.
pub(super) async fn running(world: &World) -> (CallContext, CallId) {
    let (_, call) = world.lead("+12025550111").await;
    world.sql("update calls set status = 'initiated', dialed_at = now(), lease_owner = 'a', lease_token = 1, lease_until = now() + interval '15 s'").await;
    let context = CallContext::read(&*world.region.db, world.account, call, 1).await.unwrap().unwrap();
    (context, call)
}

fn turn(number: u32, text: &str) -> Report {
    report(Entry::Event(Event::Turn(Turn {
        number,
        speaker: Speaker::Caller,
        text: Personal(text.into()),
        started_ms: 0,
        ended_ms: 900,
        interrupted: false,
        latency: None,
    })))
}

pub(super) async fn write(world: &World, context: CallContext, reports: Vec<Report>) -> JournalEnd {
    let (sender, inbox) = mpsc::unbounded_channel();
    for report in reports {
        sender.send(report).unwrap();
    }
    drop(sender);
    Journal::new(world.journal(), context).run(inbox).await
}

fn conversation() -> Vec<Report> {
    vec![
        report(Entry::Dialed { sip_call_id: "abc@sip".into() }),
        status(CallStatus::Ringing),
        status(CallStatus::InProgress),
        turn(1, "Yes, about the master's programs."),
        report(Entry::Event(Event::Slot { name: "budget".into(), value: "12k".into() })),
        report(Entry::Recording { path: "a.wav".into(), bytes: 10, duration_ms: 900 }),
        finished(qualified()),
    ]
}

#[tokio::test]
async fn a_recording_that_failed_is_in_the_log_of_the_call_and_in_no_webhook() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (context, call) = running(&world).await;
    let detail = "recording stopped: no storage space".to_owned();
    let failed = report(Entry::RecordingFailed { detail });
    let reports = vec![status(CallStatus::InProgress), failed, finished(qualified())];
    assert_eq!(write(&world, context, reports).await, JournalEnd::Finished);
    let logged = format!(
        "from events where call_id = '{}' and type = 'call.recording_failed' and data ->> 'detail' like '%space'",
        call.uuid()
    );
    assert_eq!(world.count(&logged).await, 1);
    assert_eq!(world.count("from recordings").await, 0);
    assert_eq!(world.count("from webhook_deliveries where payload like '%recording_url%'").await, 0);
}

#[tokio::test]
async fn a_conversation_is_written_whole_and_its_webhooks_queued_in_order() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (context, call) = running(&world).await;
    assert_eq!(write(&world, context, conversation()).await, JournalEnd::Finished);

    assert_eq!(world.call(call, "slots ->> 'budget'").await.as_deref(), Some("12k"));
    assert_eq!(world.count("from turns").await, 1);
    assert_eq!(world.count("from recordings where expires_at > now() + interval '29 days'").await, 1);
    let order = world.text("select string_agg(event_type, ' ' order by seq) from webhook_deliveries").await;
    assert_eq!(order.as_deref(), Some("call.started call.answered outcome.qualified"));
    let payload =
        world.text("select payload from webhook_deliveries order by seq desc limit 1").await.unwrap();
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["call_id"], call.to_string());
    assert!(payload["metrics"]["answered_at_ms"].is_i64());
    assert!(payload["artifacts"]["recording_url"].as_str().unwrap().contains("/r/call_"));
    assert_eq!(world.count("from spans where name = 'outcome.write'").await, 1);
}

#[tokio::test]
async fn an_endpoint_only_hears_what_it_asked_for() {
    let world = World::new().await;
    let all = world.endpoint("http://127.0.0.1:9/").await;
    let some = world.endpoint("http://127.0.0.1:9/").await;
    world.sql(&format!("update webhook_endpoints set events = '{{outcome.*}}' where id = '{some}'")).await;
    let disabled = world.endpoint("http://127.0.0.1:9/").await;
    world.sql(&format!("update webhook_endpoints set disabled_at = now() where id = '{disabled}'")).await;
    let (context, _) = running(&world).await;
    write(&world, context, conversation()).await;
    for (endpoint, expected) in [(all, 3), (some, 1), (disabled, 0)] {
        let queued = world.count(&format!("from webhook_deliveries where endpoint_id = '{endpoint}'")).await;
        assert_eq!(queued, expected);
    }
    // One event has one id over all its deliveries.
    assert_eq!(world.count("from (select distinct event_id from webhook_deliveries) e").await, 3);
}

#[tokio::test]
async fn a_journal_whose_lease_was_taken_writes_nothing_and_says_so() {
    let world = World::new().await;
    let (context, call) = running(&world).await;
    world.sql("update calls set lease_token = 2").await;
    assert_eq!(write(&world, context, conversation()).await, JournalEnd::LeaseLost);
    assert_eq!(world.call(call, "status").await.as_deref(), Some("initiated"));
    assert_eq!(world.count("from turns").await + world.count("from events").await, 0);
}

#[tokio::test]
async fn an_end_is_written_once_however_many_want_to_write_it() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (context, call) = running(&world).await;
    let end = |status, reason| End::plain(status, reason, crate::fresh::now_us());
    let finishers = (0..8).map(|n| {
        let end = if n % 2 == 0 {
            end(CallStatus::NoAnswer, EndReason::NoAnswer)
        } else {
            end(CallStatus::Failed, EndReason::AgentCrashed)
        };
        Journal::new(world.journal(), context.clone()).end(end)
    });
    let written = futures::future::join_all(finishers).await;
    assert_eq!(written.into_iter().filter(|result| *result == Ok(true)).count(), 1);
    assert_eq!(world.count("from webhook_deliveries where event_type = 'outcome.no_answer'").await, 1);
    assert_eq!(world.count("from calls where attempt_no = 2").await, 1);
    assert_eq!(world.count("from events where type = 'call.ended'").await, 1);
    assert_eq!(world.call(call, "ended_at is not null").await.as_deref(), Some("true"));
}

#[tokio::test]
async fn whoever_opts_out_is_never_called_again() {
    let world = World::new().await;
    let (context, _) = running(&world).await;
    let reports = vec![
        status(CallStatus::InProgress),
        report(Entry::Event(Event::OptedOut)),
        finished(ending(CallStatus::Completed, EndReason::AgentCompleted, Some(Outcome::NotFit))),
    ];
    write(&world, context, reports).await;
    let listed = "from dnc_entries where phone = '+12025550111' and source = 'call_opt_out'";
    assert_eq!(world.count(listed).await, 1);
    assert_eq!(
        world.text("select granted from consents order by at desc limit 1").await.as_deref(),
        Some("false")
    );
    let (_, call) = world.lead("+12025550111").await;
    let node = Node::new(&world);
    node.sweep().await;
    assert!(node.dialed().is_empty());
    assert_eq!(world.call(call, "status in ('canceled', 'failed')").await.as_deref(), Some("true"));
}

#[tokio::test]
async fn card_numbers_do_not_reach_the_database_by_any_way() {
    const CARD: &str = "My card is 4111 1111 1111 1111, thanks.";
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (context, _) = running(&world).await;
    let mut ending = ending(CallStatus::Completed, EndReason::AgentCompleted, Some(Outcome::Booked));
    ending.outcome_reason = Some(CARD.into());
    ending.slots = [("budget".to_owned(), CARD.to_owned())].into();
    ending.booking = Some(Booking {
        slot: "2026-05-26T15:30:00Z".into(),
        owner: None,
        notes: Some(Personal(CARD.into())),
    });
    ending.detail = Some(CARD.into());
    let reports = vec![
        status(CallStatus::InProgress),
        turn(1, CARD),
        report(Entry::Event(Event::Slot { name: "budget".into(), value: CARD.into() })),
        report(Entry::Event(Event::Trouble { detail: CARD.into() })),
        finished(ending),
    ];
    assert_eq!(write(&world, context, reports).await, JournalEnd::Finished);
    let stored = [("calls", 4), ("turns", 1), ("events", 1), ("spans", 0), ("webhook_deliveries", 3)];
    for (table, times) in stored {
        let rows =
            world.text(&format!("select string_agg(t::text, ' ') from {table} t")).await.unwrap_or_default();
        assert!(!rows.contains("1111"), "{table}: {rows}");
        assert_eq!(rows.matches("[card]").count(), times, "{table}: {rows}");
    }
}

#[tokio::test]
async fn a_nul_in_a_models_words_costs_nothing_but_itself() {
    let world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    let (context, call) = running(&world).await;
    let mut ending = qualified();
    ending.outcome_reason = Some("wants\0 a demo".into());
    ending.slots = [("bud\0get".to_owned(), "12k\0".to_owned())].into();
    write(&world, context, vec![status(CallStatus::InProgress), finished(ending)]).await;
    assert_eq!(world.call(call, "outcome_reason").await.as_deref(), Some("wants a demo"));
    assert_eq!(world.call(call, "slots ->> 'budget'").await.as_deref(), Some("12k"));
    assert_eq!(world.count("from webhook_deliveries where event_type = 'outcome.qualified'").await, 1);
}

#[tokio::test]
async fn what_was_committed_without_an_answer_is_not_written_twice() {
    let mut world = World::new().await;
    world.endpoint("http://127.0.0.1:9/").await;
    world.sql("update account_settings set rate_microcents_per_minute = 1000").await;
    let (context, call) = running(&world).await;
    let loses = ["journal.dialed", "journal.status", "journal.record", "journal.recording", "journal.finish"];
    world.region.db =
        Arc::new(Forgetful { inner: Arc::clone(&world.region.db), loses: Mutex::new(loses.into()) });
    let mut reports = conversation();
    reports.insert(3, report(Entry::Event(Event::Node { node: "main".into() })));
    reports.insert(4, report(Entry::Event(Event::Node { node: "main".into() })));
    write(&world, context, reports).await;

    assert_eq!(world.call(call, "status").await.as_deref(), Some("completed"));
    let events = "select string_agg(type, ' ' order by id) from events";
    assert_eq!(
        world.text(events).await.as_deref(),
        Some("call.dialed call.status call.status call.node call.node call.slot call.ended")
    );
    assert_eq!(world.count("from turns").await, 1);
    assert_eq!(world.count("from webhook_deliveries").await, 3);
    assert_eq!(
        world.text("select balance_microcents from account_settings").await.as_deref(),
        Some("999999000")
    );
}

#[tokio::test]
async fn live_viewers_see_what_happens() {
    let world = World::new().await;
    let (context, call) = running(&world).await;
    write(&world, context, conversation()).await;
    let client = redis::Client::open(world.region.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let mut kinds = Vec::new();
    until(async || {
        let reply: redis::streams::StreamRangeReply = redis::cmd("XRANGE")
            .arg("talkif:eu-west:events")
            .arg("-")
            .arg("+")
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(reply.ids.iter().all(|entry| entry.get::<String>("call_id") == Some(call.to_string())));
        kinds = reply.ids.iter().filter_map(|entry| entry.get::<String>("type")).collect();
        kinds.len() == 7
    })
    .await;
    assert_eq!(kinds, ["dialed", "status", "status", "turn", "slot", "recording", "ended"]);
}

#[tokio::test]
async fn the_journal_survives_an_outage_of_postgres() {
    let mut world = World::new().await;
    let (context, call) = running(&world).await;
    let (cable, url) = Cable::to(&world.region.url).await;
    world.region.db = Arc::new(talkif_store::native::connect(&url).await.unwrap());

    let (sender, inbox) = mpsc::unbounded_channel();
    let journal = tokio::spawn(Journal::new(world.journal(), context).run(inbox));
    sender.send(status(CallStatus::InProgress)).unwrap();
    until(async || world.call(call, "status").await.as_deref() == Some("in_progress")).await;

    cable.plugged.send(false).unwrap();
    for number in 1..=3 {
        sender.send(turn(number, "hello")).unwrap();
    }
    sender.send(finished(qualified())).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.call(call, "status").await.as_deref(), Some("in_progress"));

    cable.plugged.send(true).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(30), journal).await.unwrap().unwrap();
    assert_eq!(end, JournalEnd::Finished);
    assert_eq!(world.count("from turns").await, 3);
    assert_eq!(world.call(call, "status").await.as_deref(), Some("completed"));
}

/// A TCP connection to the database that can be unplugged.
struct Cable {
    plugged: watch::Sender<bool>,
}

impl Cable {
    async fn to(url: &str) -> (Self, String) {
        let (plugged, state) = watch::channel(true);
        let (head, rest) = url.split_once('@').unwrap();
        let (target, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let through = format!("{head}@{}/{database}", listener.local_addr().unwrap());
        tokio::spawn(Self::serve(listener, target.to_owned(), state));
        (Self { plugged }, through)
    }

    async fn serve(listener: TcpListener, target: String, state: watch::Receiver<bool>) {
        while let Ok((mut near, _)) = listener.accept().await {
            let (target, mut state) = (target.clone(), state.clone());
            tokio::spawn(async move {
                if !*state.borrow() {
                    return;
                }
                let mut far = TcpStream::connect(target).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = state.wait_for(|plugged| !plugged) => {}
                }
                near.shutdown().await.ok();
            });
        }
    }
}
