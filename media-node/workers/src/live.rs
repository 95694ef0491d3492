//! The `events` stream for live viewers, best effort: nothing waits for it, and what does not
//! get through is in Postgres anyway.

use crate::redaction::redact;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use std::time::Duration;
use talkif_call_engine::io::Event;
use talkif_model::{AccountId, CallId, Personal, Turn};
use talkif_session::job::Entry;
use tokio::sync::mpsc;

/// Events that may wait for Redis; what comes beyond is dropped.
const CAPACITY: usize = 1_024;
/// Entries the stream keeps, roughly.
const KEPT: usize = 100_000;
/// After Redis failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A handle that publishes without waiting.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    queue: mpsc::Sender<LiveEvent>,
}

#[derive(Debug)]
struct LiveEvent {
    account_id: AccountId,
    call_id: CallId,
    kind: String,
    data: Value,
}

impl Live {
    /// A handle, and the work that feeds `stream` until all handles are gone.
    pub(crate) fn new(client: redis::Client, stream: String) -> (Self, impl Future<Output = ()>) {
        let (queue, events) = mpsc::channel(CAPACITY);
        (Self { queue }, feed(client, stream, events))
    }

    /// Publishes what happened in a call.
    pub(crate) fn publish(&self, account_id: AccountId, call_id: CallId, entry: &Entry) {
        let Some((kind, data)) = describe(entry) else { return };
        // Full means that Redis is slow or away: viewers miss a moment, the call does not wait.
        let _ = self.queue.try_send(LiveEvent { account_id, call_id, kind, data });
    }
}

/// Type and data of an entry; spans are of no interest to a viewer.
fn describe(entry: &Entry) -> Option<(String, Value)> {
    Some(match entry {
        Entry::Dialed { sip_call_id } => ("dialed".into(), json!({ "sip_call_id": sip_call_id })),
        Entry::Event(event) => tagged(&redacted(event))?,
        Entry::Recording { duration_ms, .. } => ("recording".into(), json!({ "duration_ms": duration_ms })),
        Entry::RecordingFailed { .. } => ("recording_failed".into(), json!({})),
        Entry::Finished { ending, sip_status, .. } => (
            "ended".into(),
            json!({ "status": ending.status, "end_reason": ending.end_reason,
                    "outcome": ending.outcome, "sip_status": sip_status }),
        ),
        Entry::Particulars { .. } | Entry::Span(_) => return None,
    })
}

/// Splits the engine's own JSON into its tag and the rest.
fn tagged(event: &Event) -> Option<(String, Value)> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(event) else { return None };
    let kind = fields.remove("event")?.as_str()?.to_owned();
    Some((kind, Value::Object(fields)))
}

fn redacted(event: &Event) -> Event {
    match event {
        Event::Turn(turn) => Event::Turn(Turn { text: Personal(redact(&turn.text.0)), ..turn.clone() }),
        Event::Partial { text } => Event::Partial { text: redact(text) },
        Event::Slot { name, value } => Event::Slot { name: name.clone(), value: redact(value) },
        Event::Trouble { detail } => Event::Trouble { detail: redact(detail) },
        other => other.clone(),
    }
}

async fn feed(client: redis::Client, stream: String, mut events: mpsc::Receiver<LiveEvent>) {
    let mut connection: Option<MultiplexedConnection> = None;
    while let Some(event) = events.recv().await {
        if connection.is_none() {
            connection = client.get_multiplexed_async_connection().await.ok();
        }
        let added = match &mut connection {
            Some(connection) => add(connection, &stream, &event).await.is_ok(),
            None => false,
        };
        if !added {
            connection = None;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn add(
    connection: &mut MultiplexedConnection,
    stream: &str,
    event: &LiveEvent,
) -> redis::RedisResult<()> {
    let fields = [
        ("account_id", event.account_id.to_string()),
        ("call_id", event.call_id.to_string()),
        ("type", event.kind.clone()),
        ("data", event.data.to_string()),
    ];
    connection.xadd_maxlen(stream, redis::streams::StreamMaxlen::Approx(KEPT), "*", &fields).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use talkif_model::CallStatus;

    #[test]
    fn an_event_is_published_under_the_engines_own_name() {
        let entry = Entry::Event(Event::Status { status: CallStatus::Ringing });
        assert_eq!(describe(&entry), Some(("status".to_owned(), json!({ "status": "ringing" }))));
    }
}
