//! Deepgram's streaming speech to text: `/deepgram/v1/listen`.

mod listening;
mod recogniser;
mod socket;
mod wire;

use super::{FaultKind, Vendor, Vendors, authorization, request_id};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode};
use listening::Listening;
use serde_json::json;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Vendors>> {
    Router::new().route("/deepgram/v1/listen", get(listen))
}

async fn listen(
    State(vendors): State<Arc<Vendors>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if !vendors.accepts(authorization(&headers, &["token", "bearer"])) {
        return refusal(StatusCode::UNAUTHORIZED, "INVALID_AUTH", "Invalid credentials.");
    }
    let listening = match Listening::parse(query.as_deref().unwrap_or_default()) {
        Ok(listening) => listening,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, "Bad Request", &why),
    };
    let Ok(upgrade) = upgrade else {
        return refusal(StatusCode::BAD_REQUEST, "Bad Request", "A WebSocket upgrade is expected.");
    };
    let fault = vendors.faults.strike(Vendor::Deepgram);
    match fault.as_ref().map(|fault| fault.kind) {
        Some(FaultKind::TooManyRequests) => {
            return refusal(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "Too many requests.");
        }
        Some(FaultKind::InternalError) => {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Something broke.");
        }
        _ => {}
    }
    let id = request_id();
    let header = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"));
    let mut response = upgrade.on_upgrade(move |socket| socket::serve(socket, vendors, listening, fault, id));
    response.headers_mut().insert("dg-request-id", header);
    response
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "err_code": code, "err_msg": message, "request_id": request_id() });
    (status, Json(body)).into_response()
}
