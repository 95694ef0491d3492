//! A guest for the host's tests: each path exercises one capability or one way of misbehaving.
//!
//! Answers are JSON unless the path is about raw bytes. To probe something new, add an arm to
//! [`route`] and a function beside it.

mod misbehave;
mod quick;
mod redis;
mod sql;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use spin_sdk::http_service;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests this instance has seen: shows whether the host reuses instances.
static SEEN: AtomicU64 = AtomicU64::new(0);

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

#[http_service]
async fn handle(request: spin_sdk::http::Request) -> Answer {
    let (parts, body) = request.into_parts();
    match body.collect().await {
        Ok(body) => route(Request::from_parts(parts, body.to_bytes())).await,
        Err(error) => text(400, format!("body: {error}")),
    }
}

async fn route(request: Request<Bytes>) -> Answer {
    let path = request.uri().path().to_owned();
    match path.rsplit('/').next().unwrap_or_default() {
        "hello" => text(200, "hello".to_owned()),
        "echo" => echo(&request),
        "count" => text(200, (SEEN.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
        "environment" => {
            json_answer(&std::env::vars().map(|(k, v)| json!([k, v])).collect::<Vec<_>>().into())
        }
        "variable" => variable(argument(&request, "name")).await,
        "fetch" => fetch(argument(&request, "url")).await,
        "sql" => json_answer(&sql::run(&input(&request)).await),
        "begin" => json_answer(&sql::begin(&input(&request)).await),
        "redis" => json_answer(&redis::run(&input(&request)).await),
        "select" => quick::select().await,
        "get" => quick::get().await,
        "print" => misbehave::print(),
        "panic" => misbehave::panic(),
        "loop" => misbehave::spin(),
        "allocate" => misbehave::allocate(number(&request, "mib")),
        "endless" => misbehave::endless(),
        "sleep" => misbehave::sleep(number(&request, "ms")).await,
        "large" => bytes_answer(vec![b'x'; number(&request, "bytes") as usize].into()),
        _ => text(404, format!("no probe at {path}")),
    }
}

fn echo(request: &Request<Bytes>) -> Answer {
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    json_answer(&json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(request.body()),
    }))
}

async fn variable(name: String) -> Answer {
    match spin_sdk::variables::get(&name).await {
        Ok(value) => json_answer(&json!({"value": value})),
        Err(error) => json_answer(&json!({"error": format!("{error:?}")})),
    }
}

async fn fetch(url: String) -> Answer {
    match spin_sdk::http::get(&url).await {
        Ok(response) => {
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            json_answer(&json!({"status": status, "body": String::from_utf8_lossy(&body)}))
        }
        Err(error) => json_answer(&json!({"error": format!("{error:?}")})),
    }
}

fn argument(request: &Request<Bytes>, name: &str) -> String {
    let query = request.uri().query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
}

fn number(request: &Request<Bytes>, name: &str) -> u64 {
    argument(request, name).parse().unwrap_or_default()
}

fn input(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap_or_default()
}

fn text(status: u16, body: String) -> Answer {
    let mut answer = bytes_answer(body.into());
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

fn json_answer(value: &Value) -> Answer {
    bytes_answer(value.to_string().into())
}

fn bytes_answer(body: Bytes) -> Answer {
    let length = body.len();
    let mut answer = Response::new(Full::new(body).boxed_unsync());
    answer.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    answer
}
