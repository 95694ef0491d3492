//! What needs no key: health, readiness, the OpenAPI document, the error catalogue.

use crate::app::{App, database};
use crate::http::{Incoming, Reply};
use crate::openapi as document;
use crate::routes::{Route, route};
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use talkif_problem::{Code, Problem, ProblemBody};
use talkif_store::accounts::PING;
use utoipa::ToSchema;

/// The routes of the discovery component.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route!(GET "/healthz" open, "healthz" healthz),
    route!(GET "/v1/readyz" open, "readyz" readyz),
    route!(GET "/api/v1/openapi.json" open, "openapi" openapi),
    route!(GET "/api/v1/errors" open, "list_errors" errors),
];

/// That the edge runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    /// The region this edge serves.
    #[schema(value_type = String, example = "eu-west")]
    region: talkif_model::Region,
}

/// The catalogue of error codes.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorCatalogue {
    /// Every code, by status.
    errors: Vec<ErrorEntry>,
}

/// One code of the catalogue.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorEntry {
    /// As in the error body.
    #[schema(value_type = String, example = "validation_failed")]
    code: &'static str,
    /// As in the error body.
    #[schema(value_type = String, example = "Validation Failed")]
    title: &'static str,
    /// The HTTP status.
    status: u16,
}

fn health(app: &App) -> Result<Reply, Problem> {
    Reply::ok(&Health { status: "ok", region: app.ports.config.region })
}

/// Says that the edge runs, without asking anything behind it.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "discovery", security(()),
    responses((status = 200, description = "The edge runs.", body = Health)))]
pub(crate) async fn healthz(app: Arc<App>, _incoming: Incoming) -> Result<Reply, Problem> {
    health(&app)
}

/// Says that both databases answer.
#[utoipa::path(get, path = "/v1/readyz", operation_id = "readyz", tag = "discovery", security(()),
    responses(
        (status = 200, description = "The edge can serve.", body = Health),
        (status = 503, description = "A database is away.", body = ProblemBody)))]
pub(crate) async fn readyz(app: Arc<App>, _incoming: Incoming) -> Result<Reply, Problem> {
    for db in [&app.ports.directory, &app.ports.db] {
        db.query_one(&PING, Vec::new()).await.map_err(database)?;
    }
    health(&app)
}

/// This API as OpenAPI 3.1, generated from the code that answers.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "openapi", tag = "discovery", security(()),
    responses((status = 200, description = "The document.", body = Object)))]
pub(crate) async fn openapi(app: Arc<App>, _incoming: Incoming) -> Result<Reply, Problem> {
    let public_url = app.ports.config.public_url()?;
    let body = app.openapi.get_or_init(|| document::json(public_url)).clone();
    Ok(Reply { status: StatusCode::OK, body, replayed: false })
}

/// Every error code with its status.
#[utoipa::path(get, path = "/api/v1/errors", operation_id = "list_errors", tag = "discovery", security(()),
    responses((status = 200, description = "The catalogue.", body = ErrorCatalogue)))]
pub(crate) async fn errors(_app: Arc<App>, _incoming: Incoming) -> Result<Reply, Problem> {
    let entry =
        |code: &Code| ErrorEntry { code: code.as_str(), title: code.title(), status: code.status_number() };
    Reply::ok(&ErrorCatalogue { errors: Code::ALL.iter().map(entry).collect() })
}
