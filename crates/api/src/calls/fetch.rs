//! `GET /v1/calls/{id}`.

use super::list::summary;
use super::wire::{Call, CallMetrics, Sip, TraceSpan, TranscriptTurn};
use crate::app::{App, database, not_found, rfc3339};
use crate::attempts::attempts;
use crate::auth::Caller;
use crate::http::{Incoming, Reply};
use crate::ports::Artifacts;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use talkif_model::{CallId, CallStatus, Outcome, Personal};
use talkif_problem::{FieldCode, FieldError, Problem, ProblemBody};
use talkif_rules::artifact::{self, Kind};
use talkif_store::{DbError, Row, calls_read};

/// How long an artifact's address opens.
const ARTIFACT_SECONDS: i64 = 24 * 60 * 60;

/// A call with its outcome, metrics and the addresses of transcript and recording.
#[utoipa::path(get, path = "/v1/calls/{id}", operation_id = "get_call", tag = "calls",
    params(
        ("id" = String, Path, description = "The call"),
        ("include" = Option<String>, Query, description = "`transcript`, `trace`, or both with a comma")),
    responses(
        (status = 200, description = "The call.", body = Call),
        (status = 404, description = "No such call.", body = ProblemBody)))]
pub(crate) async fn fetch(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: CallId = incoming.id("id")?;
    let include = Include::read(incoming.query("include").as_deref())?;
    let params =
        vec![caller.account.sql().into(), id.sql().into(), include.transcript.into(), include.trace.into()];
    let row = app.ports.db.query_one(&calls_read::FETCH, params).await.map_err(database)?;
    let row = row.ok_or_else(|| not_found("call"))?;
    let artifacts = app.ports.config.artifacts()?;
    Reply::ok(&read(&app, artifacts, id, &row).map_err(database)?)
}

/// What is shown besides the call itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Include {
    transcript: bool,
    trace: bool,
}

impl Include {
    fn read(list: Option<&str>) -> Result<Self, Problem> {
        let mut include = Self::default();
        for word in list.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "transcript" => include.transcript = true,
                "trace" => include.trace = true,
                _ => {
                    let message = "It takes `transcript` and `trace`";
                    return Err(Problem::fields(vec![FieldError::new(
                        "include",
                        FieldCode::OutOfRange,
                        message,
                    )]));
                }
            }
        }
        Ok(include)
    }
}

fn read(app: &App, artifacts: &Artifacts, id: CallId, row: &Row) -> Result<Call, DbError> {
    let summary = summary(row)?;
    let queued = summary.status == CallStatus::Queued.as_str();
    let outcome: Option<Outcome> = summary.outcome.as_deref().and_then(|outcome| outcome.parse().ok());
    let address = |exists: &str, kind| Ok(row.bool(exists)?.then(|| artifact_url(app, artifacts, id, kind)));
    Ok(Call {
        qualified: outcome.map(Outcome::is_qualified),
        outcome_reason: row.opt_text("outcome_reason")?,
        failure_code: row.opt_text("failure_code")?,
        failure_detail: row.opt_text("failure_detail")?.map(Personal),
        sip: sip(row)?,
        held_reason: row.opt_text("held_reason")?.filter(|_| queued),
        not_before: Some(rfc3339(row.int("not_before_us")?)).filter(|_| queued),
        booking: optional_json(row, "booking")?,
        current_node: row.opt_text("current_node")?,
        ringing_at: row.opt_int("ringing_us")?.map(rfc3339),
        slots: row.json("slots").map(Personal)?,
        metrics: metrics(row)?,
        attempts: attempts(row)?,
        trace_id: row.text("trace_id")?,
        transcript_url: address("has_transcript", Kind::Transcript)?,
        recording_url: address("has_recording", Kind::Recording)?,
        recording_status: recording_status(row)?,
        transcript: optional_json::<Vec<TranscriptTurn>>(row, "transcript")?,
        trace: optional_json::<Vec<StoredSpan>>(row, "trace")?
            .map(|spans| spans.into_iter().map(TraceSpan::from).collect()),
        summary,
    })
}

fn sip(row: &Row) -> Result<Sip, DbError> {
    Ok(Sip {
        call_id: row.opt_text("sip_call_id")?,
        status: row.opt_int("sip_status")?,
        attributes: optional_json(row, "sip_attributes")?.unwrap_or_else(|| Personal(BTreeMap::new())),
    })
}

fn recording_status(row: &Row) -> Result<Option<String>, DbError> {
    let failed = row.bool("recording_failed")?.then(|| "failed".to_owned());
    Ok(row.opt_text("recorded_as")?.or(failed))
}

fn artifact_url(app: &App, artifacts: &Artifacts, call: CallId, kind: Kind) -> String {
    let expires = app.now_us() / 1_000_000 + ARTIFACT_SECONDS;
    artifact::url(&artifacts.url, &artifacts.key, kind, call, expires)
}

fn optional_json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>, DbError> {
    row.opt_text(column)?.map(|_| row.json(column)).transpose()
}

fn metrics(row: &Row) -> Result<CallMetrics, DbError> {
    let accepted = row.int("accepted_us")?;
    let since = |us: Option<i64>| us.map(|us| (us - accepted) / 1_000);
    Ok(CallMetrics {
        first_dial_ms: since(row.opt_int("first_dial_us")?.or(row.opt_int("dialed_us")?)),
        answered_at_ms: since(row.opt_int("answered_us")?),
        outcome_at_ms: since(row.opt_int("ended_us")?),
    })
}

#[derive(Deserialize)]
struct StoredSpan {
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    status: String,
    started_us: i64,
    ended_us: i64,
    attributes: Map<String, Value>,
}

impl From<StoredSpan> for TraceSpan {
    #[expect(clippy::cast_precision_loss, reason = "spans last hours, not centuries")]
    fn from(span: StoredSpan) -> Self {
        Self {
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            name: span.name,
            status: span.status,
            started_at: rfc3339(span.started_us),
            duration_ms: (span.ended_us - span.started_us) as f64 / 1_000.0,
            attributes: span.attributes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn include_takes_a_list() {
        assert_eq!(Include::read(None), Ok(Include::default()));
        assert_eq!(Include::read(Some("trace, transcript")), Ok(Include { transcript: true, trace: true }));
        assert!(Include::read(Some("audio")).is_err());
    }
}
