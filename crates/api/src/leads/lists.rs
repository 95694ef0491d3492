//! `POST /v1/lists`.

use super::admit::Facts;
use super::check::{CheckedLead, check};
use super::limit::{self, LISTED_LEADS};
use super::rows::{NewIds, Rows, Stages};
use super::wire::{CreateLead, CreateList, ListAccepted, ListError, ListResult};
use super::write::{Request, announce, phones};
use crate::app::App;
use crate::auth::Caller;
use crate::http::{Incoming, Reply};
use crate::idempotency::{Kept, Once};
use http::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use talkif_problem::{FieldCode, FieldError, Problem, ProblemBody};

/// Most leads of one list.
const MAX_LEADS: usize = 1_000;

/// Takes up to 1000 leads for one flow.
///
/// Each lead is judged by itself: those that cannot be called are reported in `results` with the
/// code they would have got alone. All others are queued together by one write; if that fails,
/// none is, and the request can be repeated. A number that appears twice is called once.
/// Lists have a rate limit of their own: 2000 leads at once, 1000 a minute.
#[utoipa::path(post, path = "/v1/lists", operation_id = "create_list", tag = "leads",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters")),
    request_body = CreateList,
    responses(
        (status = 202, description = "What became of each lead.", body = ListAccepted),
        (status = 400, description = "The list itself is wrong.", body = ProblemBody),
        (status = 409, description = "The idempotency key was used with another body.", body = ProblemBody),
        (status = 429, description = "Too many leads in lists.", body = ProblemBody)))]
pub(crate) async fn create_list(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let received_us = app.now_us();
    let once = Once::of(&app, &caller, &incoming, "create_list", Kept::Plain)?;
    let list = checked_size(incoming.json()?)?;
    limit::admit(&app, &caller, LISTED_LEADS, list.leads.len()).await?;
    let flow = list.flow_id.clone();
    let leads = check_each(list);
    let request = Request { app: &app, caller: &caller, once: &once };
    let numbers = phones(leads.iter().flatten().map(|lead| &lead.phone));
    let own_number =
        leads.iter().flatten().find_map(|lead| lead.from_number.as_ref()).map(ToString::to_string);
    let facts = request.facts(numbers, Some(&flow), own_number).await?;
    if let Some(earlier) = facts.earlier {
        return once.replay(&earlier.body_sha256, earlier.status, earlier.response);
    }
    facts.published(&flow)?;
    let stages = Stages { received_us, matching_us: received_us, matched_us: app.now_us() };
    let (rows, results) = admit_each(&app, &facts, leads, stages)?;
    let reply = request.write(&rows, Reply::json(StatusCode::ACCEPTED, &summary(&results))?).await?;
    if !reply.replayed {
        announce(&app, results.iter().flatten()).await;
    }
    Ok(reply)
}

fn checked_size(list: CreateList) -> Result<CreateList, Problem> {
    let problem = |code, message: String| Problem::fields(vec![FieldError::new("leads", code, message)]);
    match list.leads.len() {
        0 => Err(problem(FieldCode::TooShort, "A list has at least one lead".to_owned())),
        1..=MAX_LEADS => Ok(list),
        _ => Err(problem(FieldCode::TooLong, format!("A list has at most {MAX_LEADS} leads"))),
    }
}

/// Every lead by itself, with what the list says for all of them.
fn check_each(list: CreateList) -> Vec<Result<CheckedLead, Problem>> {
    let source = list.source.unwrap_or_else(|| "list".to_owned());
    let mut seen = BTreeSet::new();
    let complete = |lead| CreateLead {
        source: source.clone(),
        campaign: list.campaign.clone(),
        call_within: list.call_within.clone(),
        flow_id: Some(list.flow_id.clone()),
        from_number: list.from_number.clone(),
        ..CreateLead::from(lead)
    };
    let each = list.leads.into_iter().map(|lead| {
        let own = complete(lead);
        let consent = own.consent.clone().or_else(|| list.consent.clone());
        let lead = check(CreateLead { consent, ..own })?;
        if seen.insert(lead.phone.clone()) { Ok(lead) } else { Err(repeated()) }
    });
    each.collect()
}

fn repeated() -> Problem {
    let message = "The number appears earlier in the list";
    Problem::fields(vec![FieldError::new("phone", FieldCode::AlreadyExists, message)])
}

type Results = Vec<Result<NewIds, Problem>>;

fn admit_each(
    app: &App,
    facts: &Facts,
    leads: Vec<Result<CheckedLead, Problem>>,
    stages: Stages,
) -> Result<(Rows, Results), Problem> {
    let mut rows = Rows::default();
    let mut results = Results::with_capacity(leads.len());
    for lead in leads {
        results.push(match lead.and_then(|lead| facts.admit(&lead).map(|admitted| (lead, admitted))) {
            // Every call is a trace of its own.
            Ok((lead, admitted)) => Ok(rows.add(app, lead, &admitted, app.new_trace_id(), stages)?),
            Err(problem) => Err(problem),
        });
    }
    Ok((rows, results))
}

fn summary(results: &Results) -> ListAccepted {
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    ListAccepted {
        accepted,
        rejected: results.len() - accepted,
        results: results.iter().enumerate().map(|(index, result)| entry(index, result)).collect(),
    }
}

fn entry(index: usize, result: &Result<NewIds, Problem>) -> ListResult {
    let error = result.as_ref().err().map(|problem| ListError {
        code: problem.code.as_str(),
        detail: problem.detail.clone(),
        errors: problem.errors.clone(),
    });
    ListResult {
        index,
        status: if error.is_none() { "queued" } else { "rejected" },
        lead_id: result.as_ref().ok().map(|ids| ids.lead),
        call_id: result.as_ref().ok().map(|ids| ids.call),
        error,
    }
}
