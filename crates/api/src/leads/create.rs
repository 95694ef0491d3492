//! `POST /v1/leads`.

use super::check::check;
use super::limit::{self, LEADS};
use super::rows::{Rows, Stages};
use super::wire::{CreateLead, LeadAccepted};
use super::write::{Request, announce, phones};
use crate::app::App;
use crate::auth::Caller;
use crate::http::{Incoming, Reply};
use crate::idempotency::{Kept, Once};
use http::StatusCode;
use std::sync::Arc;
use talkif_model::CallStatus;
use talkif_problem::{Problem, ProblemBody};

/// Takes a lead and queues its call.
///
/// The lead is dialled within `call_within` by the flow that is named or matches best, unless a
/// calling window holds it. Send an `Idempotency-Key` to be safe against repeats: for 24 hours,
/// the same key with the same body gets the same answer.
#[utoipa::path(post, path = "/v1/leads", operation_id = "create_lead", tag = "leads",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters")),
    request_body = CreateLead,
    responses(
        (status = 202, description = "The call is queued.", body = LeadAccepted),
        (status = 400, description = "Fields are wrong.", body = ProblemBody),
        (status = 409, description = "The idempotency key was used with another body.", body = ProblemBody),
        (status = 422, description = "No consent, opted out, or no flow takes the lead.", body = ProblemBody),
        (status = 429, description = "More than 120 leads a minute, or 300 in half of one.", body = ProblemBody)))]
pub(crate) async fn create(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let received_us = app.now_us();
    limit::admit(&app, &caller, LEADS, 1).await?;
    let once = Once::of(&app, &caller, &incoming, "create_lead", Kept::Plain)?;
    let lead = check(incoming.json::<CreateLead>()?)?;
    let request = Request { app: &app, caller: &caller, once: &once };
    let from_number = lead.from_number.as_ref().map(ToString::to_string);
    let facts = request.facts(phones([&lead.phone].into_iter()), lead.flow_id.as_ref(), from_number).await?;
    if let Some(earlier) = facts.earlier {
        return once.replay(&earlier.body_sha256, earlier.status, earlier.response);
    }
    let matching_us = app.now_us();
    let admitted = facts.admit(&lead)?;
    let stages = Stages { received_us, matching_us, matched_us: app.now_us() };
    let mut rows = Rows::default();
    let ids = rows.add(&app, lead, &admitted, incoming.trace_id, stages)?;
    let accepted = LeadAccepted { lead_id: ids.lead, call_id: ids.call, status: CallStatus::Queued };
    let reply = request.write(&rows, Reply::json(StatusCode::ACCEPTED, &accepted)?).await?;
    if !reply.replayed {
        announce(&app, [&ids].into_iter()).await;
    }
    Ok(reply)
}
