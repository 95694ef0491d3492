//! Bodies of every route that reads one, through the whole router.
//!
//! Behind the router is a database that takes everything, so an answer is the API's own: what is
//! accepted was fit to be written, and no body may end as a fault of ours.

use crate::bytes::Bytes;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures::executor::block_on;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use talkif_api::{
    App, Artifacts, Clock, Config, Limits, Ports, RedisAway, Rng, Streams, routes, whole_router,
};
use talkif_model::Region;
use talkif_rules::secret::{SealingKey, new_key};
use talkif_store::{Cell, Db, DbError, Param, Row, Statement};
use tower_service::Service;

const TYPES: [&str; 4] =
    ["application/json", "application/yaml", "text/plain", "Application/JSON; charset=x"];

/// `route (1 byte) content type (1 byte) body`.
///
/// # Panics
/// If the answer is not of the API's form, blames us, or what goes to the database cannot be kept.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let paths: Vec<&str> =
        routes::all().filter(|route| route.method == Method::POST).map(|route| route.path).collect();
    let path = paths.get(usize::from(bytes.byte()) % paths.len()).copied().unwrap_or("/");
    let content_type = TYPES.get(usize::from(bytes.byte()) % TYPES.len()).copied().unwrap_or("");
    let (status, answer) = block_on(post(path, content_type, bytes.rest()));
    assert!((200..500).contains(&status), "{path}: {status} {answer}");
    if status >= 400 { problem(status, &answer) } else { assert!(answer.is_object(), "{answer}") }
}

async fn post(path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    let request = Request::post(path)
        .header("authorization", format!("Bearer tif_live_{}", "a".repeat(43)))
        .header("content-type", content_type)
        .body(Body::from(body.to_vec()))
        .unwrap_or_else(|error| panic!("{error}"));
    let mut router = router();
    let Ok(response) = router.call(request).await;
    let status = response.status().as_u16();
    let body =
        response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}")))
}

/// The one form that every error has.
fn problem(status: u16, answer: &Value) {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    assert!(text("code") && text("title") && text("detail") && text("requestId"), "{answer}");
    assert_eq!(answer.get("status").and_then(Value::as_u64), Some(u64::from(status)), "{answer}");
    for error in answer.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| error.get(key).is_some_and(Value::is_string);
        assert!(text("field") && text("code") && text("message"), "{answer}");
    }
}

fn router() -> Router {
    thread_local! {
        static ROUTER: Router = whole_router(Arc::new(App::new(ports())));
    }
    ROUTER.with(Clone::clone)
}

fn ports() -> Ports {
    let key = SealingKey::parse(&new_key([9; 32])).unwrap_or_else(|error| panic!("{error}"));
    let config = Config {
        region: Region::EuWest,
        public_url: Some("https://api.example".to_owned()),
        artifacts: Some(Artifacts { url: "https://artifacts.example".to_owned(), key: vec![7; 32] }),
        sealing_key: Some(Arc::new(key)),
        local_mode: false,
        trust_forwarded: false,
    };
    let outside = Arc::new(Outside);
    Ports {
        db: outside.clone(),
        directory: outside.clone(),
        limits: outside.clone(),
        streams: outside.clone(),
        clock: outside.clone(),
        rng: outside,
        config: Arc::new(config),
    }
}

/// A world that agrees to everything.
struct Outside;

#[async_trait]
impl Db for Outside {
    async fn query(&self, statement: &Statement, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        params.iter().for_each(|param| can_be_kept(statement, param));
        let text = |text: &str| Cell::Text(text.to_owned());
        let id = || text("0192f000-0000-7000-8000-000000000001");
        let row = match statement.name {
            "auth.find_key" => vec![
                ("id", id()),
                ("account_id", id()),
                ("scopes", Cell::Texts(vec!["*".to_owned()])),
                ("allowed_cidrs", Cell::Texts(Vec::new())),
                ("expires_us", Cell::Null),
                ("revoked", Cell::Bool(false)),
                ("suspended", Cell::Bool(false)),
                ("home_region", text("eu-west")),
                ("strict_residency", Cell::Bool(false)),
                ("edge_url", Cell::Null),
            ],
            "leads.facts" => vec![
                ("flows", text(r#"[{"id": "flow_a", "version": 1, "within_s": 60, "matches": {}}]"#)),
                ("numbers", text(r#"[{"phone": "+905320000000", "flow_id": null}]"#)),
                ("blocked", text(r#"["+905320000009"]"#)),
                ("endpoints", text("[]")),
                ("earlier", Cell::Null),
            ],
            _ => {
                vec![("written", Cell::Bool(true)), ("version", Cell::Int(1)), ("created", Cell::Bool(true))]
            }
        };
        let (columns, cells): (Vec<String>, _) =
            row.into_iter().map(|(name, cell)| (name.to_owned(), cell)).unzip();
        Ok(vec![Row::new(columns.into(), cells)])
    }
}

/// Postgres has no NUL, neither in texts nor in JSON.
fn can_be_kept(statement: &Statement, param: &Param) {
    let texts: Vec<&str> = match param {
        Param::Text(text) => text.iter().map(String::as_str).collect(),
        Param::Texts(texts) => texts.iter().map(String::as_str).collect(),
        Param::Int(_) | Param::Bool(_) | Param::Bytes(_) => Vec::new(),
    };
    for text in texts {
        assert!(!text.contains('\0'), "{}: {text:?}", statement.name);
        if let Ok(json) = serde_json::from_str::<Value>(text).map(|json| json.to_string()) {
            assert!(!json.replace(r"\\", "").contains(r"\u0000"), "{}: {json}", statement.name);
        }
    }
}

#[async_trait]
impl Limits for Outside {
    async fn eval(&self, _: &str, _: &str, _: &[String]) -> Result<Vec<i64>, RedisAway> {
        Ok(vec![1, 100, 0])
    }
}

#[async_trait]
impl Streams for Outside {
    async fn append(&self, _: &str, _: &[(&str, String)]) -> Result<(), RedisAway> {
        Ok(())
    }
}

impl Clock for Outside {
    fn now_us(&self) -> i64 {
        1_779_796_800_000_000
    }
}

impl Rng for Outside {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x5a);
    }
}
