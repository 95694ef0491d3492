use crate::world::World;
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use talkif_api::{App, Ports};
use talkif_store::{Db, DbError, Param, Row, Statement};

#[tokio::test]
async fn an_unknown_path_has_the_same_error_body_as_everything_else() {
    let world = World::new().await;
    let answer = world.call("GET", "/v1/nothing").send().await;
    let expected = json!({
        "code": "not_found", "title": "Not Found", "status": 404,
        "detail": "There is no such route", "requestId": "request-1"
    });
    assert_eq!((answer.status, answer.body), (404, expected));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers["x-request-id"], "request-1");
}

#[tokio::test]
async fn a_harmful_request_id_is_replaced() {
    let world = World::new().await;
    let request =
        http::Request::get("/healthz").header("x-request-id", "a b\"c").body(axum::body::Body::empty());
    let mut router = talkif_api::whole_router(world.app.clone());
    let response = tower_service::Service::call(&mut router, request.unwrap()).await.unwrap();
    assert_eq!(response.headers()["x-request-id"].len(), 36);
}

#[tokio::test]
async fn the_wrong_method_is_told_the_right_ones() {
    let world = World::new().await;
    let answer = world.call("PATCH", "/v1/leads/x").send().await;
    assert_eq!((answer.status, &answer.body["code"]), (405, &json!("method_not_allowed")));
    let allowed = answer.headers["allow"].to_str().unwrap();
    assert!(allowed.contains("GET") && allowed.contains("DELETE"), "{allowed}");
}

#[tokio::test]
async fn broken_json_is_located() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = |body: &'static str| {
        world.call("POST", "/v1/leads").key(&tenant.key).text("application/json", body).send()
    };
    let answer = send("{\n  \"phone\": +90\n}").await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("invalid_json")));
    assert_eq!(answer.body["detail"], "The body is not valid JSON at line 2, column 12");
    let answer = send(r#"{"source": "web_form", "phone": "+905321234218", "concent": true}"#).await;
    assert_eq!(answer.body["errors"][0]["field"], "concent");
    assert_eq!(answer.body["errors"][0]["code"], "unknown_field");
}

#[tokio::test]
async fn bodies_of_unknown_kind_or_size_are_refused() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send =
        |kind: &str, body: &str| world.call("POST", "/v1/leads").key(&tenant.key).text(kind, body).send();
    let answer = send("application/x-www-form-urlencoded", "phone=1").await;
    assert_eq!((answer.status, &answer.body["code"]), (415, &json!("unsupported_media_type")));
    assert_eq!(
        send("Application/JSON; charset=utf-8", "{}").await.status,
        400,
        "parameters and case do not matter"
    );
    let huge = format!("\"{}\"", "x".repeat(1024 * 1024));
    let answer = send("application/json", &huge).await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("payload_too_large")));
}

struct AwayDb;

#[async_trait]
impl Db for AwayDb {
    async fn query(&self, _: &Statement, _: Vec<Param>) -> Result<Vec<Row>, DbError> {
        Err(DbError::Unavailable("connection refused (10.0.0.5:5432)".to_owned()))
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_503_with_a_time_to_come_back() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let ports = |db: &Arc<dyn Db>, directory: &Arc<dyn Db>| Ports {
        db: db.clone(),
        directory: directory.clone(),
        ..world.app.ports.clone()
    };
    let (here, away): (Arc<dyn Db>, Arc<dyn Db>) = (world.region.db.clone(), Arc::new(AwayDb));
    for app in [App::new(ports(&away, &here)), App::new(ports(&here, &away))] {
        let app = Arc::new(app);
        for path in ["/v1/calls", "/v1/readyz"] {
            let answer = world.get(path, &tenant.key).on(&app).send().await;
            assert_eq!((answer.status, &answer.body["code"]), (503, &json!("service_unavailable")));
            assert_eq!(answer.headers["retry-after"], "5");
            assert!(!answer.body.to_string().contains("10.0.0.5"), "the inside story stays inside");
        }
        assert_eq!(world.call("GET", "/healthz").on(&app).send().await.status, 200);
    }
}

#[tokio::test]
async fn the_catalogue_is_published() {
    let world = World::new().await;
    let answer = world.call("GET", "/api/v1/errors").send().await;
    let errors = answer.body["errors"].as_array().unwrap();
    assert!(errors.contains(&json!({"code": "wrong_region", "title": "Wrong Region", "status": 421})));
    assert_eq!(
        world.call("GET", "/v1/readyz").send().await.body,
        json!({"status": "ok", "region": "eu-west"})
    );
}
