//! From the table of routes to an axum router, and what wraps every request: the request id,
//! the caller, the rendering of problems, the content length.

use super::{Incoming, body};
use crate::app::App;
use crate::auth;
use crate::routes::{self, Door, Route};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::routing::{MethodFilter, on};
use http::{HeaderValue, Response, header, request::Parts};
use std::sync::Arc;
use talkif_problem::{Code, Problem};
use tracing::{error, info, warn};

/// Every route of the API.
pub fn whole_router(app: Arc<App>) -> Router {
    router(app, routes::all())
}

/// The routes of one component.
pub fn component_router(app: Arc<App>, table: &'static [Route]) -> Router {
    router(app, table.iter())
}

fn router(app: Arc<App>, table: impl Iterator<Item = &'static Route>) -> Router {
    let mut router = Router::new();
    for route in table {
        // The table holds only methods that axum knows; a test builds the whole router.
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let app = Arc::clone(&app);
        router = router.route(route.path, on(filter, move |request| serve(app, route, request)));
    }
    let (for_path, for_method) = (Arc::clone(&app), app);
    router
        .fallback(move |request| async move {
            refuse(&for_path, Code::NotFound, "There is no such route", &request)
        })
        .method_not_allowed_fallback(move |request| async move {
            refuse(&for_method, Code::MethodNotAllowed, "The route does not take this method", &request)
        })
}

fn refuse(app: &App, code: Code, detail: &'static str, request: &Request) -> Response<Body> {
    let request_id = request_id(app, request.headers());
    finish(Problem::new(code, detail).into_response(&request_id), &request_id)
}

async fn serve(app: Arc<App>, route: &'static Route, request: Request) -> Response<Body> {
    let request_id = request_id(&app, request.headers());
    let started_us = app.now_us();
    let response = match answer(&app, route, request, &request_id).await {
        Ok(response) => response,
        Err(problem) => {
            log(route, &request_id, &problem);
            problem.into_response(&request_id)
        }
    };
    let (status, took_us) = (response.status().as_u16(), app.now_us() - started_us);
    info!(operation = route.operation, request_id, status, took_us, "request");
    finish(response, &request_id)
}

async fn answer(
    app: &Arc<App>,
    route: &'static Route,
    request: Request,
    request_id: &str,
) -> Result<Response<String>, Problem> {
    let (mut parts, body) = request.into_parts();
    let path = path_params(&mut parts).await?;
    let trace_id = trace_id(app, &parts);
    let mut incoming =
        Incoming { request_id: request_id.to_owned(), trace_id, parts, path, body: bytes::Bytes::new() };
    let reply = match route.door {
        Door::Open(handler) => handler(Arc::clone(app), incoming).await?,
        Door::Key(scope, handler) => {
            // The caller is known before a byte of the body is read: strangers cost little.
            let caller = auth::authenticate(app, &incoming, scope).await?;
            incoming.body = body::read(body).await?;
            handler(Arc::clone(app), caller, incoming).await?
        }
    };
    Ok(reply.into_response())
}

async fn path_params(parts: &mut Parts) -> Result<Vec<(String, String)>, Problem> {
    let params = RawPathParams::from_request_parts(parts, &()).await;
    let params = params.map_err(|_| Problem::new(Code::BadRequest, "The path is not valid UTF-8"))?;
    Ok(params.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// The client's own `X-Request-Id` if it is harmless, or a new one.
fn request_id(app: &App, headers: &http::HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(harmless);
    given.map_or_else(|| new_request_id(app), str::to_owned)
}

fn new_request_id(app: &App) -> String {
    let (unix_ms, random) = app.id_seed();
    talkif_model::id::uuid_v7(unix_ms, random).to_string()
}

/// The trace of W3C `traceparent`, or a new one.
fn trace_id(app: &App, parts: &Parts) -> String {
    let header = parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
    let given = header.and_then(|value| value.split('-').nth(1)).filter(|id| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        id.len() == 32 && id.bytes().all(hex) && id.bytes().any(|b| b != b'0')
    });
    given.map_or_else(|| app.new_trace_id(), str::to_owned)
}

fn log(route: &Route, request_id: &str, problem: &Problem) {
    let (operation, code) = (route.operation, problem.code.as_str());
    let inside = problem.inside.as_deref().unwrap_or_default();
    match problem.code.status_number() {
        500 => error!(operation, request_id, code, inside, "failed"),
        503 => warn!(operation, request_id, code, inside, "unavailable"),
        _ => {}
    }
}

/// Sets what every response has. Without a content length, a host that leaves Nagle's algorithm
/// on holds each response back for some 40 ms.
fn finish(response: Response<String>, request_id: &str) -> Response<Body> {
    let (mut parts, text) = response.into_parts();
    if parts.status != http::StatusCode::NO_CONTENT {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        parts.headers.insert("x-request-id", id);
    }
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, Body::from(text))
}
