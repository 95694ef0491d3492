//! `GET /v1/flows` and `GET /v1/flows/{id}`.

use super::wire::{Flow, FlowList, FlowSummary, FlowVersion};
use crate::app::{App, database, not_found, rfc3339};
use crate::auth::Caller;
use crate::http::{Incoming, Page, Reply};
use serde::Deserialize;
use std::sync::Arc;
use talkif_model::FlowId;
use talkif_problem::{Problem, ProblemBody};
use talkif_store::{DbError, Row, flows};

/// The account's flows.
#[utoipa::path(get, path = "/v1/flows", operation_id = "list_flows", tag = "flows",
    params(Page),
    responses((status = 200, description = "A page of flows.", body = FlowList)))]
pub(crate) async fn list(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let page = incoming.page()?;
    let params = vec![caller.account.sql().into(), page.limit.into(), page.offset.into()];
    let rows = app.ports.db.query(&flows::LIST, params).await.map_err(database)?;
    let (flows, meta) = page.rows(&rows, summary).map_err(database)?;
    Reply::ok(&FlowList { flows, meta })
}

/// A flow with its source and all versions.
#[utoipa::path(get, path = "/v1/flows/{id}", operation_id = "get_flow", tag = "flows",
    params(("id" = String, Path, description = "The flow, such as `flow_pricing_v3`")),
    responses(
        (status = 200, description = "The flow.", body = Flow),
        (status = 404, description = "No such flow.", body = ProblemBody)))]
pub(crate) async fn fetch(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: FlowId = incoming.id("id")?;
    let params = vec![caller.account.sql().into(), id.as_str().into()];
    let row = app.ports.db.query_one(&flows::FETCH, params).await.map_err(database)?;
    let row = row.ok_or_else(|| not_found("flow"))?;
    Reply::ok(&read(&row).map_err(database)?)
}

fn summary(row: &Row) -> Result<FlowSummary, DbError> {
    Ok(FlowSummary {
        flow_id: row.text("id")?,
        name: row.text("name")?,
        version: row.int("current_version")?,
        created_at: rfc3339(row.int("created_us")?),
        updated_at: rfc3339(row.int("updated_us")?),
    })
}

#[derive(Deserialize)]
struct StoredVersion {
    version: i64,
    notes: Option<String>,
    source_sha256: String,
    created_us: i64,
}

fn read(row: &Row) -> Result<Flow, DbError> {
    let versions: Vec<StoredVersion> = row.json("versions")?;
    let version = |stored: StoredVersion| FlowVersion {
        version: stored.version,
        notes: stored.notes,
        source_sha256: stored.source_sha256,
        created_at: rfc3339(stored.created_us),
    };
    Ok(Flow {
        summary: summary(row)?,
        source_format: row.text("source_format")?,
        source: row.text("source")?,
        graph: row.json("graph")?,
        versions: versions.into_iter().map(version).collect(),
    })
}
