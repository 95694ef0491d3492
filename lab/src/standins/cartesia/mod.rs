//! Cartesia's text to speech over a WebSocket: `/cartesia/tts/websocket`.

mod context;
mod espeak;
mod request;
mod socket;
mod wire;

use super::{Vendors, authorization};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Vendors>> {
    Router::new().route("/cartesia/tts/websocket", get(connect))
}

#[derive(Debug, Deserialize)]
struct Credentials {
    api_key: Option<String>,
    cartesia_version: Option<String>,
}

async fn connect(
    State(vendors): State<Arc<Vendors>>,
    Query(query): Query<Credentials>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let key = query.api_key.as_deref().or(header("x-api-key")).or(authorization(&headers, &["bearer"]));
    if !vendors.accepts(key) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthorized", "The API key is missing or not valid.");
    }
    let version = query.cartesia_version.as_deref().or(header("cartesia-version"));
    if !version.is_some_and(is_date) {
        return refusal(StatusCode::BAD_REQUEST, "Invalid version", "cartesia_version must be a date.");
    }
    let Ok(upgrade) = upgrade else {
        return refusal(StatusCode::BAD_REQUEST, "Invalid request", "A WebSocket upgrade is expected.");
    };
    upgrade.on_upgrade(move |socket| socket::serve(socket, vendors))
}

fn is_date(version: &str) -> bool {
    version.parse::<jiff::civil::Date>().is_ok()
}

fn refusal(status: StatusCode, title: &str, message: &str) -> Response {
    let body = json!({ "title": title, "message": message, "status_code": status.as_u16() });
    (status, Json(body)).into_response()
}
