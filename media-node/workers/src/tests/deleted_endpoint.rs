//! A customer deletes a webhook endpoint while calls go on.

use super::journal::{running, write};
use super::support::*;
use super::unsteady::Deleting;
use crate::journal::{Journal, JournalEnd};
use std::sync::{Arc, Mutex};
use talkif_call_engine::io::Event;
use talkif_model::{CallStatus, EndReason, Outcome};
use talkif_session::job::{Entry, Report};
use tokio::sync::mpsc;
use uuid::Uuid;

/// All that queues deliveries: the INVITE, the answer and the end.
fn moments() -> [Report; 3] {
    [
        report(Entry::Dialed { sip_call_id: "abc@sip".into() }),
        status(CallStatus::InProgress),
        finished(ending(CallStatus::Completed, EndReason::AgentCompleted, Some(Outcome::NotFit))),
    ]
}

async fn is_whole(world: &World, kept: Uuid) {
    let events = format!(
        "select string_agg(event_type, ' ' order by seq) from webhook_deliveries where endpoint_id = '{kept}'"
    );
    let events = world.text(&events).await;
    assert_eq!(events.as_deref(), Some("call.started call.answered outcome.not_fit"));
    assert_eq!(world.count("from calls where outcome = 'not_fit' and answered_at is not null").await, 1);
    assert_eq!(world.count("from leads where state = 'reached'").await, 1);
    assert_eq!(world.count("from dnc_entries").await, 1);
}

#[tokio::test]
async fn an_endpoint_that_is_being_deleted_costs_the_call_nothing() {
    let world = World::new().await;
    let (context, _) = running(&world).await;
    let kept = world.endpoint("http://127.0.0.1:9/").await;
    let (sender, inbox) = mpsc::unbounded_channel();
    let journal = tokio::spawn(Journal::new(world.journal(), context).run(inbox));
    sender.send(report(Entry::Event(Event::OptedOut))).unwrap();
    for moment in moments() {
        let doomed = world.endpoint("http://127.0.0.1:9/").await;
        let mut deletion = world.region.pool.begin().await.unwrap();
        let delete = format!("delete from webhook_endpoints where id = '{doomed}'");
        sqlx::query(sqlx::AssertSqlSafe(delete)).execute(&mut *deletion).await.unwrap();
        sender.send(moment).unwrap();
        let waiting = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        until(async || world.count(waiting).await == 1).await;
        deletion.commit().await.unwrap();
        until(async || world.count(waiting).await == 0).await;
    }
    assert_eq!(journal.await.unwrap(), JournalEnd::Finished);
    is_whole(&world, kept).await;
}

#[tokio::test]
async fn an_endpoint_that_is_being_disabled_gets_nothing_more() {
    let world = World::new().await;
    let (context, _) = running(&world).await;
    let endpoint = world.endpoint("http://127.0.0.1:9/").await;
    let mut change = world.region.pool.begin().await.unwrap();
    // A new key is what a deletion also changes: whoever shares it has to wait.
    let disable = format!(
        "update webhook_endpoints set disabled_at = now(), id = gen_random_uuid() where id = '{endpoint}'"
    );
    sqlx::query(sqlx::AssertSqlSafe(disable)).execute(&mut *change).await.unwrap();
    let setup = world.journal();
    let finishing = tokio::spawn(async move {
        let (sender, inbox) = mpsc::unbounded_channel();
        moments().into_iter().for_each(|moment| sender.send(moment).unwrap());
        drop(sender);
        Journal::new(setup, context).run(inbox).await
    });
    let waiting = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    until(async || world.count(waiting).await == 1).await;
    change.commit().await.unwrap();
    assert_eq!(finishing.await.unwrap(), JournalEnd::Finished);
    assert_eq!(world.count("from webhook_deliveries").await, 0);
    assert_eq!(world.count("from calls where outcome = 'not_fit' and sip_call_id = 'abc@sip'").await, 1);
}

#[tokio::test]
async fn a_step_that_refers_to_what_was_just_deleted_is_written_again() {
    let mut world = World::new().await;
    let (context, _) = running(&world).await;
    let kept = world.endpoint("http://127.0.0.1:9/").await;
    let statements = Mutex::new(vec!["journal.dialed", "journal.status", "journal.finish"]);
    world.region.db = Arc::new(Deleting { inner: Arc::clone(&world.region.db), statements });
    let mut reports = vec![report(Entry::Event(Event::OptedOut))];
    reports.extend(moments());
    assert_eq!(write(&world, context, reports).await, JournalEnd::Finished);
    is_whole(&world, kept).await;
}
