//! OpenAI's chat completions: `/openai/v1/chat/completions`.

mod request;
mod response;
mod stream;

use super::{FaultKind, Vendor, Vendors, authorization};
use crate::mind;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use request::ChatRequest;
use response::Completion;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn routes() -> Router<Arc<Vendors>> {
    Router::new().route("/openai/v1/chat/completions", post(complete))
}

async fn complete(State(vendors): State<Arc<Vendors>>, headers: HeaderMap, body: Bytes) -> Response {
    if !vendors.accepts(authorization(&headers, &["bearer"])) {
        return Refusal::unauthorized().into_response();
    }
    let request = match ChatRequest::parse(&body) {
        Ok(request) => request,
        Err(message) => return Refusal::invalid(message).into_response(),
    };
    let fault = vendors.faults.strike(Vendor::Openai);
    match fault.as_ref().map(|fault| fault.kind) {
        Some(FaultKind::TooManyRequests) => return Refusal::too_many().into_response(),
        Some(FaultKind::InternalError) => return Refusal::broken().into_response(),
        Some(FaultKind::Delay) => {
            tokio::time::sleep(Duration::from_millis(fault.as_ref().map_or(0, |fault| fault.delay_ms))).await;
        }
        _ => {}
    }
    let reply = mind::think(&request.conversation(), jiff::Timestamp::now());
    let completion = Completion::new(&request, reply);
    if request.stream {
        return stream::respond(completion, vendors, fault.map(|fault| fault.kind));
    }
    tokio::time::sleep(vendors.delays.llm_first_token()).await;
    Json(completion.whole()).into_response()
}

/// An error as the vendor words it.
struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
}

impl Refusal {
    fn unauthorized() -> Self {
        let (status, message) = (StatusCode::UNAUTHORIZED, "Incorrect API key provided.".into());
        Self { status, kind: "invalid_request_error", code: Some("invalid_api_key"), message }
    }

    fn invalid(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "invalid_request_error", code: None, message }
    }

    fn too_many() -> Self {
        let (status, message) = (StatusCode::TOO_MANY_REQUESTS, "Rate limit reached.".into());
        Self { status, kind: "requests", code: Some("rate_limit_exceeded"), message }
    }

    fn broken() -> Self {
        let (status, message) = (StatusCode::INTERNAL_SERVER_ERROR, "The server had an error.".into());
        Self { status, kind: "server_error", code: None, message }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "message": self.message, "type": self.kind, "param": null, "code": self.code });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}
