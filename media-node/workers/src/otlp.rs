//! Spans to an OpenTelemetry collector: OTLP over HTTP, JSON encoding.
//!
//! Export is a courtesy: the spans are in Postgres already, so a collector that does not answer
//! costs a log line and nothing else.

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{AccountId, CallId};
use talkif_store::{Db, DbError, Row, journal};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Requests under way, and so the calls whose spans are in memory.
const CONCURRENCY: usize = 64;
/// Calls under way or waiting; what comes beyond, while a collector hangs, is not exported.
const WAITING: usize = 1_024;

/// A span as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FinishedSpan {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) attributes: Value,
    pub(crate) started_us: i64,
    pub(crate) ended_us: i64,
}

impl FinishedSpan {
    pub(crate) fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            trace_id: row.text("trace_id")?,
            span_id: row.text("span_id")?,
            parent_span_id: row.opt_text("parent_span_id")?,
            name: row.text("name")?,
            ok: row.text("status")? == "ok",
            attributes: row.json("attributes")?,
            started_us: row.int("started_us")?,
            ended_us: row.int("ended_us")?,
        })
    }
}

/// Sends spans to one collector.
#[derive(Debug, Clone)]
pub(crate) struct Exporter {
    client: reqwest::Client,
    address: Arc<str>,
    region: Arc<str>,
    free: Arc<Semaphore>,
    calls: TaskTracker,
}

impl Exporter {
    /// For the collector whose base address is `endpoint` (`OTEL_EXPORTER_OTLP_ENDPOINT`).
    pub(crate) fn new(endpoint: &str, region: &str) -> reqwest::Result<Self> {
        let address = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self {
            client,
            address: address.into(),
            region: region.into(),
            free: Arc::new(Semaphore::new(CONCURRENCY)),
            calls: TaskTracker::new(),
        })
    }

    /// Exports all spans of a call that has ended, by and by: who ended it does not wait.
    pub(crate) fn export_call(&self, db: &Arc<dyn Db>, account_id: AccountId, call_id: CallId) {
        if self.calls.len() >= WAITING {
            return too_slow();
        }
        let (exporter, db) = (self.clone(), Arc::clone(db));
        self.calls.spawn(async move { exporter.read_and_send(&*db, account_id, call_id).await });
    }

    async fn read_and_send(&self, db: &dyn Db, account_id: AccountId, call_id: CallId) {
        let Ok(_free) = self.free.acquire().await else { return };
        let params = vec![account_id.sql().into(), call_id.sql().into()];
        let spans = match db.query(&journal::SPANS, params).await {
            Ok(rows) => rows.iter().map(FinishedSpan::from_row).collect::<Result<Vec<_>, _>>(),
            Err(error) => Err(error),
        };
        match spans {
            Ok(spans) => self.send(&spans).await,
            Err(error) => tracing::warn!(call = %call_id, %error, "spans were not read for export"),
        }
    }

    /// Exports spans, of whatever calls.
    pub(crate) async fn export_all(&self, spans: &[FinishedSpan]) {
        match self.free.try_acquire() {
            Ok(_free) => self.send(spans).await,
            Err(_) => too_slow(),
        }
    }

    /// Lets what is under way go out, for at most `patience`.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.calls.close();
        if tokio::time::timeout(patience, self.calls.wait()).await.is_err() {
            too_slow();
        }
    }

    async fn send(&self, spans: &[FinishedSpan]) {
        if spans.is_empty() {
            return;
        }
        let request = self.client.post(&*self.address).json(&body(spans, &self.region));
        match request.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error.without_url(), "spans were not exported"),
        }
    }
}

fn too_slow() {
    tracing::warn!("spans were not exported: the collector is too slow");
}

fn body(spans: &[FinishedSpan], region: &str) -> Value {
    let resource = json!({ "service.name": "talkif", "talkif.region": region });
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes(&resource) },
        "scopeSpans": [{
            "scope": { "name": "talkif.call" },
            "spans": spans.iter().map(encode).collect::<Vec<_>>(),
        }],
    }] })
}

/// 64-bit integers are strings in OTLP's JSON; kind 1 is internal, status 1 ok, 2 error.
fn encode(span: &FinishedSpan) -> Value {
    json!({
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id.as_deref().unwrap_or(""),
        "name": span.name,
        "kind": 1,
        "startTimeUnixNano": format!("{}000", span.started_us),
        "endTimeUnixNano": format!("{}000", span.ended_us),
        "attributes": attributes(&span.attributes),
        "status": { "code": if span.ok { 1 } else { 2 } },
    })
}

fn attributes(object: &Value) -> Vec<Value> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter_map(|(key, value)| Some(json!({ "key": key, "value": any_value(value)? }))).collect()
}

fn any_value(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(json!({ "boolValue": value })),
        Value::String(value) => Some(json!({ "stringValue": value })),
        Value::Number(number) => Some(match number.as_i64() {
            Some(integer) => json!({ "intValue": integer.to_string() }),
            None => json!({ "doubleValue": number }),
        }),
        Value::Array(_) | Value::Object(_) => Some(json!({ "stringValue": value.to_string() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_otlp_json_asks() {
        let span = FinishedSpan {
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            span_id: "b7ad6b7169203331".into(),
            parent_span_id: None,
            name: "call.answered".into(),
            ok: true,
            attributes: json!({ "attempt": 2, "mos": 4.3, "event": "call.answered", "none": null }),
            started_us: 1_790_000_000_000_001,
            ended_us: 1_790_000_000_500_000,
        };
        let body = body(&[span], "eu-west");
        let written = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(written["startTimeUnixNano"], "1790000000000001000");
        assert_eq!(written["status"]["code"], 1);
        assert_eq!(
            written["attributes"],
            json!([
                { "key": "attempt", "value": { "intValue": "2" } },
                { "key": "event", "value": { "stringValue": "call.answered" } },
                { "key": "mos", "value": { "doubleValue": 4.3 } },
            ])
        );
        assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][1]["value"]["stringValue"], "eu-west");
    }
}
