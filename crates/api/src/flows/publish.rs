//! `POST /v1/flows`.

use super::wire::PublishedFlow;
use crate::app::{App, database};
use crate::auth::Caller;
use crate::http::{Incoming, Reply, escapes_nul};
use crate::idempotency::{Kept, Once};
use http::StatusCode;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use talkif_model::AccountId;
use talkif_problem::{Code, FieldCode, FieldError, Problem, ProblemBody};
use talkif_rules::flow::{self, FlowError, Format};
use talkif_store::flows;

/// Longest source, in bytes.
const MAX_SOURCE: usize = 256 * 1024;
/// Longest notes, in characters.
const MAX_NOTES: usize = 1_000;

/// Publishes a flow from its source, as YAML or JSON.
///
/// The first source of an id makes the flow, another source its next version; the same source
/// again changes nothing. Calls that are queued keep the version they were queued with.
#[utoipa::path(post, path = "/v1/flows", operation_id = "publish_flow", tag = "flows",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters"),
        ("notes" = Option<String>, Query, description = "What is new, up to 1000 characters")),
    request_body(content((String = "application/yaml"), (String = "text/yaml"), (serde_json::Value = "application/json"))),
    responses(
        (status = 201, description = "A new version is in force.", body = PublishedFlow),
        (status = 200, description = "This source was in force already.", body = PublishedFlow),
        (status = 400, description = "The source has errors, with line and column.", body = ProblemBody),
        (status = 409, description = "The idempotency key was used with another body.", body = ProblemBody)))]
pub(crate) async fn publish(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let once = Once::of(&app, &caller, &incoming, "publish_flow", Kept::Plain)?;
    if let Some(earlier) = once.earlier().await? {
        return Ok(earlier);
    }
    let format = format(&incoming)?;
    let source = source(&incoming)?;
    let notes = notes(&incoming)?;
    let published = write(&app, caller.account, source, format, notes).await?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    // The same source again makes no second version, so the answer may be kept afterwards.
    once.keep(Reply::json(status, &published)?).await
}

fn format(incoming: &Incoming) -> Result<Format, Problem> {
    match incoming.media_type().as_deref() {
        Some("application/yaml" | "text/yaml" | "application/x-yaml" | "text/x-yaml") => Ok(Format::Yaml),
        Some("application/json") => Ok(Format::Json),
        _ => Err(Incoming::unsupported("application/yaml, text/yaml or application/json")),
    }
}

fn source(incoming: &Incoming) -> Result<&str, Problem> {
    if incoming.body().len() > MAX_SOURCE {
        let detail = format!("The source is larger than {MAX_SOURCE} bytes");
        return Err(Problem::new(Code::PayloadTooLarge, detail));
    }
    let source = std::str::from_utf8(incoming.body()).ok().filter(|source| !source.contains('\0'));
    source.ok_or_else(|| Problem::new(Code::BadRequest, "The source is not UTF-8 text"))
}

fn notes(incoming: &Incoming) -> Result<Option<String>, Problem> {
    let notes = incoming.query("notes").filter(|notes| !notes.is_empty());
    if notes.as_ref().is_some_and(|notes| notes.chars().count() > MAX_NOTES || notes.contains('\0')) {
        let message = format!("At most {MAX_NOTES} characters");
        return Err(Problem::fields(vec![FieldError::new("notes", FieldCode::TooLong, message)]));
    }
    Ok(notes)
}

/// Compiles and writes a source.
pub(crate) async fn write(
    app: &App,
    account: AccountId,
    source: &str,
    format: Format,
    notes: Option<String>,
) -> Result<PublishedFlow, Problem> {
    let graph = flow::compile(source, format).map_err(|errors| invalid(errors, format))?;
    let json = serde_json::to_string(&graph).map_err(|error| Problem::internal(error.to_string()))?;
    // YAML and JSON can both spell it without containing it.
    if escapes_nul(json.as_bytes()) {
        return Err(Problem::new(Code::BadRequest, "The source contains U+0000, which no text can hold"));
    }
    let params = vec![
        account.sql().into(),
        graph.id.as_str().into(),
        graph.name.as_str().into(),
        format.as_str().into(),
        source.into(),
        Sha256::digest(source).to_vec().into(),
        json.into(),
        notes.into(),
    ];
    let row = app.ports.db.query_one(&flows::PUBLISH, params).await.map_err(database)?;
    let row = row.ok_or_else(|| Problem::internal("flows.publish returned no row"))?;
    Ok(PublishedFlow {
        flow_id: graph.id.to_string(),
        name: graph.name,
        version: row.int("version").map_err(database)?,
        created: row.bool("created").map_err(database)?,
    })
}

/// All mistakes of the source. JSON that is not JSON has the code it has on every other route.
fn invalid(errors: Vec<FlowError>, format: Format) -> Problem {
    let syntax = errors.first().filter(|error| format == Format::Json && error.code == "invalid_json");
    let mut problem = match syntax {
        Some(error) => {
            let place = format!("line {}, column {}", error.line, error.column);
            Problem::new(Code::InvalidJson, format!("The body is not valid JSON at {place}"))
        }
        None => Problem::new(Code::FlowStructureInvalid, "The flow's source has errors"),
    };
    let fields = errors
        .into_iter()
        .map(|error| FieldError::new(error.path, error.code, error.message).at(error.line, error.column));
    problem.errors = fields.collect();
    problem
}
