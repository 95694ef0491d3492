//! `GET /v1/leads/{id}`.

use crate::app::{App, database, not_found, rfc3339};
use crate::attempts::{Attempt, attempts};
use crate::auth::Caller;
use crate::http::{Incoming, Reply};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use talkif_model::{LeadId, Personal};
use talkif_problem::{Problem, ProblemBody};
use talkif_store::{DbError, Row, leads};
use utoipa::ToSchema;

/// A lead and its attempts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Lead {
    /// The lead.
    #[schema(value_type = String)]
    lead_id: LeadId,
    /// `queued`, `reached`, `exhausted`, `canceled` or `blocked`.
    status: String,
    /// `booked`, `qualified`, `not_fit`, `wrong_number` or `no_answer`.
    outcome: Option<String>,
    /// Where it came from.
    source: String,
    /// E.164.
    #[schema(value_type = String)]
    phone: Personal<String>,
    /// The person's name.
    #[schema(value_type = Option<String>)]
    name: Option<Personal<String>>,
    /// What the lead wants.
    intent: Option<String>,
    /// The campaign.
    campaign: Option<String>,
    /// ISO 639-1.
    language: Option<String>,
    /// IANA.
    timezone: Option<String>,
    /// The flow that calls.
    flow_id: String,
    /// Its version.
    flow_version: i64,
    /// The number that calls.
    from_number: String,
    /// The dial budget, in seconds.
    call_within: i64,
    /// What was sent along.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// Its calls, oldest first.
    attempts: Vec<Attempt>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    finished_at: Option<String>,
}

/// A lead with its attempts.
#[utoipa::path(get, path = "/v1/leads/{id}", operation_id = "get_lead", tag = "leads",
    params(("id" = String, Path, description = "The lead")),
    responses(
        (status = 200, description = "The lead.", body = Lead),
        (status = 404, description = "No such lead.", body = ProblemBody)))]
pub(crate) async fn fetch(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: LeadId = incoming.id("id")?;
    let params = vec![caller.account.sql().into(), id.sql().into()];
    let row = app.ports.db.query_one(&leads::FETCH, params).await.map_err(database)?;
    let row = row.ok_or_else(|| not_found("lead"))?;
    Reply::ok(&read(&row).map_err(database)?)
}

fn read(row: &Row) -> Result<Lead, DbError> {
    Ok(Lead {
        lead_id: LeadId::from_uuid(row.uuid("id")?),
        status: row.text("state")?,
        outcome: row.opt_text("outcome")?,
        source: row.text("source")?,
        phone: Personal(row.text("phone")?),
        name: row.opt_text("name")?.map(Personal),
        intent: row.opt_text("intent")?,
        campaign: row.opt_text("campaign")?,
        language: row.opt_text("language")?,
        timezone: row.opt_text("timezone")?,
        flow_id: row.text("flow_id")?,
        flow_version: row.int("flow_version")?,
        from_number: row.text("from_number")?,
        call_within: row.int("call_within_s")?,
        metadata: row.json("metadata")?,
        attempts: attempts(row)?,
        created_at: rfc3339(row.int("created_us")?),
        finished_at: row.opt_int("finished_us")?.map(rfc3339),
    })
}
