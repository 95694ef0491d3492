//! The small HTTP server behind signed addresses: `/t/{call}` transcripts, `/r/{call}`
//! recordings, `/healthz`.
//!
//! The signature is the permission: whoever holds an address may read until it expires. How
//! addresses are made is `talkif_rules::artifact`'s business.

use crate::clock::RegionClock;
use crate::range::{self, Asked};
use crate::recordings::Recordings;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use talkif_model::{CallId, Personal, Turn};
use talkif_rules::artifact::{self, ArtifactError, Kind};
use talkif_store::{Db, DbError, Row, artifacts};

/// What the server needs.
#[derive(Clone)]
pub(crate) struct ArtifactServer {
    pub(crate) db: Arc<dyn Db>,
    pub(crate) clock: RegionClock,
    pub(crate) key: Arc<[u8]>,
    pub(crate) recordings: Arc<dyn Recordings>,
}

/// The routes.
pub(crate) fn router(server: ArtifactServer) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(serde_json::json!({ "status": "ok" }))))
        .route("/t/{call_id}", get(transcript))
        .route("/r/{call_id}", get(recording))
        .with_state(server)
}

/// The signed part of an address.
#[derive(Deserialize)]
struct Signed {
    exp: i64,
    sig: String,
}

/// Why an artifact is not served.
#[derive(Debug)]
enum Denied {
    Artifact(ArtifactError),
    NotFound,
    /// The recording has this many bytes, and none where they were asked for.
    NoSuchBytes(u64),
    Broken,
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        if let Self::NoSuchBytes(length) = self {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
        }
        let (status, code, title) = match self {
            Self::Artifact(ArtifactError::BadSignature) => {
                (StatusCode::FORBIDDEN, "bad_signature", "The address is not signed by us.")
            }
            Self::Artifact(ArtifactError::Expired) => {
                (StatusCode::GONE, "expired", "The address has expired.")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such artifact."),
            Self::NoSuchBytes(_) | Self::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The artifact cannot be read now.")
            }
        };
        let body = serde_json::json!({ "status": status.as_u16(), "code": code, "title": title });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

impl From<DbError> for Denied {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "an artifact cannot be read");
        Self::Broken
    }
}

impl ArtifactServer {
    fn check(&self, kind: Kind, call_id: &str, signed: &Signed) -> Result<CallId, Denied> {
        let call_id = call_id.parse().map_err(|_| Denied::NotFound)?;
        let now = self.clock.now_us() / 1_000_000;
        artifact::verify(&self.key, kind, call_id, signed.exp, &signed.sig, now).map_err(Denied::Artifact)?;
        Ok(call_id)
    }
}

/// A transcript as it is served.
#[derive(Serialize)]
struct Transcript {
    call_id: CallId,
    turns: Vec<Turn>,
}

async fn transcript(
    State(server): State<ArtifactServer>,
    Path(call_id): Path<String>,
    Query(signed): Query<Signed>,
) -> Result<Json<Transcript>, Denied> {
    let call_id = server.check(Kind::Transcript, &call_id, &signed)?;
    let rows = server.db.query(&artifacts::TRANSCRIPT, vec![call_id.sql().into()]).await?;
    let turns = rows.iter().map(turn).collect::<Result<_, _>>()?;
    Ok(Json(Transcript { call_id, turns }))
}

fn turn(row: &Row) -> Result<Turn, DbError> {
    let latency = row.opt_text("latency")?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Turn {
        number: u32::try_from(row.int("turn_no")?).unwrap_or(0),
        speaker: row.parse("speaker")?,
        text: Personal(row.text("text")?),
        started_ms: u64::try_from(row.int("started_ms")?).unwrap_or(0),
        ended_ms: u64::try_from(row.int("ended_ms")?).unwrap_or(0),
        interrupted: row.bool("interrupted")?,
        latency,
    })
}

async fn recording(
    State(server): State<ArtifactServer>,
    Path(call_id): Path<String>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Result<Response, Denied> {
    let call_id = server.check(Kind::Recording, &call_id, &signed)?;
    let row = server.db.query_one(&artifacts::RECORDING, vec![call_id.sql().into()]).await?;
    let path = row.ok_or(Denied::NotFound)?.text("path")?;
    let broken = |error| unreadable(call_id, &error);
    let length = server.recordings.length(&path).await.map_err(broken)?;
    let (status, bytes) = match asked(&headers, length) {
        Asked::Whole => (StatusCode::OK, 0..length),
        Asked::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Asked::Unsatisfiable => return Err(Denied::NoSuchBytes(length)),
    };
    let audio = server.recordings.open(&path, bytes.clone()).await.map_err(broken)?;
    let mut response = (status, Body::from_stream(audio)).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(header::CONTENT_LENGTH, (bytes.end - bytes.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{length}", bytes.start, bytes.end - 1);
        answer.insert(header::CONTENT_RANGE, range.parse().map_err(|_| Denied::Broken)?);
    }
    Ok(response)
}

/// Recordings have no validator, so a range that is asked for under a condition is not.
fn asked(headers: &HeaderMap, length: u64) -> Asked {
    if headers.contains_key(header::IF_RANGE) {
        return Asked::Whole;
    }
    range::asked(headers.get(header::RANGE).and_then(|value| value.to_str().ok()), length)
}

fn unreadable(call_id: CallId, error: &std::io::Error) -> Denied {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Denied::NotFound;
    }
    tracing::error!(call = %call_id, %error, "a recording cannot be read");
    Denied::Broken
}
