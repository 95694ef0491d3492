//! The lab's own HTTP: phones, calls, faults and the log.

use crate::phones::{CallLog, CallRecord, Carrier, Phone, PhoneBook, Placement};
use crate::standins::{Fault, Vendors};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// What the routes work on.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) phones: Arc<PhoneBook>,
    pub(crate) carrier: Carrier,
    pub(crate) log: CallLog,
    pub(crate) vendors: Arc<Vendors>,
}

pub(crate) fn routes(control: Control) -> Router {
    Router::new()
        .route("/lab/healthz", get(healthz))
        .route("/lab/phones/{number}", put(put_phone))
        .route("/lab/log", get(log))
        .route("/lab/calls", post(place_call))
        .route("/lab/faults", put(put_faults))
        .with_state(control)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn put_phone(
    State(control): State<Control>,
    Path(number): Path<String>,
    Json(phone): Json<Phone>,
) -> StatusCode {
    control.phones.put(&number, phone);
    StatusCode::NO_CONTENT
}

async fn log(State(control): State<Control>) -> Json<Vec<CallRecord>> {
    Json(control.log.records())
}

async fn place_call(State(control): State<Control>, Json(placement): Json<Placement>) -> Response {
    match control.carrier.place(placement).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}

/// One order or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Orders {
    One(Fault),
    Many(Vec<Fault>),
}

/// Replaces all orders; an empty list ends them.
async fn put_faults(State(control): State<Control>, Json(orders): Json<Orders>) -> StatusCode {
    control.vendors.faults.replace(match orders {
        Orders::One(fault) => vec![fault],
        Orders::Many(faults) => faults,
    });
    StatusCode::NO_CONTENT
}
