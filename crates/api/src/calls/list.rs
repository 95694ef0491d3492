//! `GET /v1/calls`.

use super::wire::{CallList, CallSummary};
use crate::app::{App, database, rfc3339};
use crate::auth::Caller;
use crate::http::{Incoming, Page, Reply};
use std::sync::Arc;
use talkif_model::{CallId, CallStatus, LeadId, Personal};
use talkif_problem::{FieldCode, FieldError, Problem, ProblemBody};
use talkif_store::{DbError, Param, Row, calls_read};

/// The account's calls, newest first.
#[utoipa::path(get, path = "/v1/calls", operation_id = "list_calls", tag = "calls",
    params(Page,
        ("status" = Option<String>, Query, description = "Only calls of this status"),
        ("lead_id" = Option<String>, Query, description = "Only calls of this lead")),
    responses(
        (status = 200, description = "A page of calls.", body = CallList),
        (status = 400, description = "A parameter is wrong.", body = ProblemBody)))]
pub(crate) async fn list(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let page = incoming.page()?;
    let mut params: Vec<Param> = vec![caller.account.sql().into(), page.limit.into(), page.offset.into()];
    let lead = filter(&incoming, "lead_id", |lead: LeadId| lead.sql())?;
    let status = filter(&incoming, "status", |status: CallStatus| status.as_str().to_owned())?;
    let statement = match (&lead, &status) {
        (None, None) => &calls_read::LIST,
        (None, Some(_)) => &calls_read::LIST_BY_STATUS,
        (Some(_), None) => &calls_read::LIST_BY_LEAD,
        (Some(_), Some(_)) => &calls_read::LIST_BY_LEAD_AND_STATUS,
    };
    params.extend([lead, status].into_iter().flatten().map(Param::from));
    let rows = app.ports.db.query(statement, params).await.map_err(database)?;
    let (calls, meta) = page.rows(&rows, summary).map_err(database)?;
    Reply::ok(&CallList { calls, meta })
}

fn filter<T: std::str::FromStr>(
    incoming: &Incoming,
    name: &str,
    sql: impl Fn(T) -> String,
) -> Result<Option<String>, Problem> {
    let wrong =
        |_| Problem::fields(vec![FieldError::new(name, FieldCode::OutOfRange, "There is no such value")]);
    incoming.query(name).map(|text| text.parse().map(&sql).map_err(wrong)).transpose()
}

/// What every view of a call shows.
pub(super) fn summary(row: &Row) -> Result<CallSummary, DbError> {
    let (answered, ended) = (row.opt_int("answered_us")?, row.opt_int("ended_us")?);
    let lead = row.opt_text("lead_id")?.map(|_| row.uuid("lead_id")).transpose()?;
    Ok(CallSummary {
        call_id: CallId::from_uuid(row.uuid("id")?),
        lead_id: lead.map(LeadId::from_uuid),
        flow_id: row.opt_text("flow_id")?,
        flow_version: row.opt_int("flow_version")?,
        direction: row.text("direction")?,
        attempt: row.int("attempt_no")?,
        from_number: Personal(row.text("from_number")?),
        to_number: Personal(row.text("to_number")?),
        status: row.text("status")?,
        end_reason: row.opt_text("end_reason")?,
        outcome: row.opt_text("outcome")?,
        created_at: rfc3339(row.int("created_us")?),
        dialed_at: row.opt_int("dialed_us")?.map(rfc3339),
        answered_at: answered.map(rfc3339),
        ended_at: ended.map(rfc3339),
        duration_ms: answered.zip(ended).map(|(answered, ended)| (ended - answered) / 1_000),
    })
}
