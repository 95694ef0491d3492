//! `DELETE /v1/leads/{id}`.

use crate::app::{App, database, not_found};
use crate::auth::Caller;
use crate::http::{Incoming, Reply};
use serde::Serialize;
use std::sync::Arc;
use talkif_model::LeadId;
use talkif_problem::{Code, Problem, ProblemBody};
use talkif_store::leads;
use utoipa::ToSchema;

/// The lead will not be called.
#[derive(Serialize, ToSchema)]
pub(crate) struct LeadCanceled {
    /// The lead.
    #[schema(value_type = String)]
    lead_id: LeadId,
    /// `canceled`.
    #[schema(value_type = String, example = "canceled")]
    status: &'static str,
}

/// Cancels a lead before its first dial. A canceled lead stays canceled: again is no error.
#[utoipa::path(delete, path = "/v1/leads/{id}", operation_id = "cancel_lead", tag = "leads",
    params(("id" = String, Path, description = "The lead")),
    responses(
        (status = 200, description = "Nobody will be called.", body = LeadCanceled),
        (status = 404, description = "No such lead.", body = ProblemBody),
        (status = 409, description = "It was dialled already.", body = ProblemBody)))]
pub(crate) async fn cancel(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: LeadId = incoming.id("id")?;
    let mut state = try_cancel(&app, &caller, id).await?;
    if state == "queued" {
        // Somebody took the call while this request waited for its row: only a second look
        // tells a dialer from another cancellation.
        state = try_cancel(&app, &caller, id).await?;
    }
    match state.as_str() {
        "canceled" => Reply::ok(&LeadCanceled { lead_id: id, status: "canceled" }),
        _ => Err(too_late(&state)),
    }
}

/// Cancels the lead if that is still possible; returns its state.
async fn try_cancel(app: &App, caller: &Caller, id: LeadId) -> Result<String, Problem> {
    let params = vec![caller.account.sql().into(), id.sql().into()];
    let row = app.ports.db.query_one(&leads::CANCEL, params).await.map_err(database)?;
    let row = row.ok_or_else(|| not_found("lead"))?;
    if row.bool("canceled").map_err(database)? {
        return Ok("canceled".to_owned());
    }
    row.text("state").map_err(database)
}

fn too_late(state: &str) -> Problem {
    if state == "queued" {
        Problem::new(Code::InvalidStateTransition, "The lead has been dialled and can no longer be canceled")
    } else {
        Problem::new(Code::CallAlreadyCompleted, "The lead is finished and can no longer be canceled")
    }
}
