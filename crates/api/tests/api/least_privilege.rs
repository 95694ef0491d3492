//! What `spin.toml` gives each component: what its routes need, and nothing else.

use crate::leads::lead;
use crate::world::{FLOW, NOW_US, World, config};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use talkif_api::routes::{COMPONENTS, Component, Variable};
use talkif_api::{App, Config, Ports, component_router};
use talkif_model::Region;

fn manifest() -> toml::Table {
    include_str!("../../../../spin.toml").parse().unwrap()
}

#[test]
fn each_component_is_given_the_variables_it_needs_and_no_others() {
    let manifest = manifest();
    for component in COMPONENTS {
        let given = manifest["component"][component.name]["variables"].as_table().unwrap();
        let needed: BTreeSet<_> = component.variables.iter().map(|variable| variable.name()).collect();
        assert_eq!(given.keys().map(String::as_str).collect::<BTreeSet<_>>(), needed, "{}", component.name);
        for (name, template) in given {
            assert_eq!(template.as_str(), Some(format!("{{{{ {name} }}}}").as_str()), "{}", component.name);
        }
    }
}

#[test]
fn each_component_reaches_the_stores_it_is_given_the_address_of_and_no_others() {
    let manifest = manifest();
    for component in COMPONENTS {
        let reached = manifest["component"][component.name]["allowed_outbound_hosts"].as_array().unwrap();
        let reached: BTreeSet<_> = reached.iter().map(|host| host.as_str().unwrap()).collect();
        let store = |variable: &Variable| match variable {
            Variable::DatabaseUrl => vec!["postgres://{{ database_host }}"],
            Variable::DirectoryUrl => vec!["postgres://{{ directory_host }}"],
            Variable::RedisUrl => vec!["redis://{{ redis_host }}", "rediss://{{ redis_host }}"],
            _ => Vec::new(),
        };
        let needed: BTreeSet<_> = component.variables.iter().flat_map(store).collect();
        assert_eq!(reached, needed, "{}", component.name);
    }
}

#[test]
fn without_hosts_only_this_machine_is_reached_and_no_secret_has_a_default() {
    let manifest = manifest();
    for (name, variable) in manifest["variables"].as_table().unwrap() {
        let default = variable.get("default").and_then(toml::Value::as_str);
        if name.ends_with("_host") {
            assert!(default.is_some_and(|host| host.starts_with("127.0.0.1:")), "{name}");
        }
        let secret = ["_url", "_key"].iter().any(|end| name.ends_with(end));
        assert!(!secret || default.is_none(), "{name}");
    }
}

/// The world as `component` sees it.
fn reduced(world: &World, component: &Component) -> Arc<App> {
    let has = |variable| component.variables.contains(&variable);
    let whole = config(Region::EuWest, false);
    let config = Config {
        public_url: whole.public_url.filter(|_| has(Variable::PublicUrl)),
        artifacts: whole.artifacts.filter(|_| has(Variable::ArtifactsUrl) && has(Variable::ArtifactsKey)),
        sealing_key: whole.sealing_key.filter(|_| has(Variable::FernetKey)),
        ..whole
    };
    Arc::new(App::new(Ports { config: Arc::new(config), ..world.app.ports.clone() }))
}

/// A request of each route that takes all of its way: method, path, body.
fn requests(call: &str) -> Vec<(&'static str, String, String)> {
    let post = |path: &str, body: serde_json::Value| ("POST", path.to_owned(), body.to_string());
    let get = |path: &str| ("GET", path.to_owned(), String::new());
    vec![
        post("/v1/leads", lead()),
        post(
            "/v1/lists",
            json!({"flow_id": "flow_pricing_v3", "consent": true, "leads": [{"phone": "+905321234210"}]}),
        ),
        get(&format!("/v1/calls/{call}?include=trace,transcript")),
        get("/v1/calls"),
        get("/v1/numbers"),
        ("POST", "/v1/flows".to_owned(), FLOW.replace("60s", "70s")),
        get("/v1/flows"),
        post("/v1/webhook-endpoints", json!({"url": "https://hooks.example.com/"})),
        get("/v1/webhook-endpoints"),
        post("/v1/api-keys", json!({"name": "k", "scopes": ["calls:read"]})),
        get("/v1/api-keys"),
        get("/healthz"),
        get("/v1/readyz"),
        get("/api/v1/openapi.json"),
        get("/api/v1/errors"),
    ]
}

#[tokio::test]
async fn every_component_serves_its_routes_with_no_more_than_that() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let call = made.body["call_id"].as_str().unwrap();
    let insert = "insert into turns (account_id, call_id, turn_no, speaker, text, started_ms, ended_ms)
                  select account_id, id, 1, 'agent', 'Hi', 0, 9 from calls";
    world.execute(insert).await;
    let mut served = 0;
    for component in COMPONENTS {
        let app = reduced(&world, component);
        for (method, path, body) in requests(call) {
            let mut router = component_router(app.clone(), component.routes);
            let kind = if path == "/v1/flows" { "application/yaml" } else { "application/json" };
            let request = http::Request::builder()
                .method(method)
                .uri(&path)
                .header("authorization", format!("Bearer {}", tenant.key))
                .header("content-type", kind)
                .header("idempotency-key", format!("{}-{NOW_US}", component.name))
                .body(axum::body::Body::from(body));
            let status = tower_service::Service::call(&mut router, request.unwrap()).await.unwrap().status();
            if status != 404 && status != 405 {
                assert!(status.is_success(), "{} {method} {path}: {status}", component.name);
                served += 1;
            }
        }
    }
    assert_eq!(served, requests(call).len(), "every request has one component");
}
