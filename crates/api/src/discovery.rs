//! What needs no key: health, readiness, the OpenAPI document, the error catalogue.

use crate::app::App;
use crate::http::{Incoming, Reply};
use serde::Serialize;
use std::sync::Arc;
use talkif_problem::Problem;
use utoipa::ToSchema;

/// That the edge runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(value_type = String)]
    pub status: &'static str,
    /// The region this edge serves.
    #[schema(value_type = String, example = "eu-west")]
    pub region: talkif_model::Region,
}

/// Says that the edge runs, without asking anything behind it.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "discovery", security(()),
    responses((status = 200, description = "The edge runs.", body = Health)))]
#[expect(clippy::unused_async, reason = "handlers are async")]
pub(crate) async fn healthz(app: Arc<App>, _request: Incoming) -> Result<Reply, Problem> {
    Reply::ok(&Health { status: "ok", region: app.ports.config.region })
}
