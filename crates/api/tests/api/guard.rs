//! Every route of the table against everything that must not open it. Routes that are exempt are
//! named, and the list may only shrink.

use crate::leads::lead;
use crate::world::{FLOW, Tenant, World};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use talkif_api::routes::{self, Door, Route};

/// Routes that need no key.
const OPEN: &[&str] = &["healthz", "readyz", "openapi", "list_errors"];

fn keyed() -> impl Iterator<Item = &'static Route> {
    routes::all().filter(|route| matches!(route.door, Door::Key(..)))
}

/// A path of the route that names nothing that exists, but has the right form.
fn sample_path(route: &Route) -> String {
    let id = match route.path.split('/').nth(2) {
        Some("leads") => "lead_00000000000000000000000000",
        Some("calls") => "call_00000000000000000000000000",
        Some("flows") => "flow_nobody",
        Some("webhook-endpoints") => "we_00000000000000000000000000",
        Some("api-keys") => "key_00000000000000000000000000",
        _ => "",
    };
    route.path.replace("{id}", id)
}

#[test]
fn the_open_routes_are_named_and_no_others() {
    let open: Vec<_> = routes::all()
        .filter(|route| matches!(route.door, Door::Open(_)))
        .map(|route| route.operation)
        .collect();
    assert_eq!(open, OPEN);
}

#[tokio::test]
async fn no_route_opens_without_a_key() {
    let world = World::new().await;
    for route in keyed() {
        let call = || world.call(route.method.as_str(), &sample_path(route));
        let missing = call().send().await;
        assert_eq!(
            (missing.status, &missing.body["code"]),
            (401, &json!("token_missing")),
            "{}",
            route.operation
        );
        let forged = format!("tif_live_{}", "x".repeat(43));
        for wrong in [forged.as_str(), "garbage", ""] {
            let answer = call().key(wrong).send().await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (401, &json!("api_key_invalid")),
                "{}",
                route.operation
            );
        }
    }
}

#[tokio::test]
async fn no_route_opens_with_every_scope_but_its_own() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for route in keyed() {
        let Door::Key(needed, _) = route.door else { continue };
        let others: Vec<String> =
            all_scopes().into_iter().filter(|scope| *scope != needed.to_string()).collect();
        let made = world
            .post("/v1/api-keys", &tenant.key, &json!({"name": route.operation, "scopes": others}))
            .send()
            .await;
        let key = made.body["key"].as_str().unwrap();
        let answer = world.call(route.method.as_str(), &sample_path(route)).key(key).send().await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("api_key_insufficient_scope")),
            "{}",
            route.operation
        );
        assert_eq!(answer.body["meta"]["scope"], needed.to_string());
        let id = made.body["key_id"].as_str().unwrap();
        world.delete(&format!("/v1/api-keys/{id}"), &tenant.key).send().await;
    }
}

fn all_scopes() -> Vec<String> {
    let resources = talkif_model::Resource::ALL.iter();
    resources.flat_map(|resource| [format!("{resource}:read"), format!("{resource}:write")]).collect()
}

/// What one account owns, by the first part of the path.
async fn possessions(world: &World, tenant: &Tenant) -> BTreeMap<&'static str, String> {
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let hook = world
        .post("/v1/webhook-endpoints", &tenant.key, &json!({"url": "https://hooks.example.com/"}))
        .send()
        .await;
    let key =
        world.post("/v1/api-keys", &tenant.key, &json!({"name": "k", "scopes": ["calls:read"]})).send().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    BTreeMap::from([
        ("leads", text(&made.body["lead_id"])),
        ("calls", text(&made.body["call_id"])),
        ("flows", "flow_pricing_v3".to_owned()),
        ("webhook-endpoints", text(&hook.body["endpoint_id"])),
        ("api-keys", text(&key.body["key_id"])),
    ])
}

#[tokio::test]
async fn a_foreign_account_sees_nothing_and_changes_nothing() {
    let world = World::new().await;
    let owner = world.tenant("owner", "+902125550100").await;
    let mut plan = crate::world::plan("stranger", "+902125550101");
    plan.flows[0].source = FLOW.replace("flow_pricing_v3", "flow_of_stranger");
    let stranger = world.bootstrap(plan).await.api_key.unwrap();
    let owned = possessions(&world, &owner).await;
    let before = everything(&world, &owner, &owned).await;
    for route in keyed().filter(|route| route.path.contains("{id}")) {
        let kind = route.path.split('/').nth(2).unwrap();
        let path = route.path.replace("{id}", &owned[kind]);
        let answer = world.call(route.method.as_str(), &path).key(&stranger).send().await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (404, &json!("resource_not_found")),
            "{}",
            route.operation
        );
    }
    assert_eq!(everything(&world, &owner, &owned).await, before);
}

/// What every route that reads shows to the owner.
async fn everything(
    world: &World,
    owner: &Tenant,
    owned: &BTreeMap<&'static str, String>,
) -> BTreeMap<&'static str, Value> {
    let mut seen = BTreeMap::new();
    for route in keyed().filter(|route| route.method == Method::GET) {
        let kind = route.path.split('/').nth(2).unwrap();
        let id = owned.get(kind).map_or("", String::as_str);
        let answer = world.get(&route.path.replace("{id}", id), &owner.key).send().await;
        assert_eq!(answer.status, 200, "{}", route.operation);
        seen.insert(route.operation, answer.body);
    }
    seen
}

#[tokio::test]
async fn lists_show_only_the_accounts_own() {
    let world = World::new().await;
    let owner = world.tenant("owner", "+902125550100").await;
    let stranger = world.tenant("stranger", "+902125550101").await;
    let owned = possessions(&world, &owner).await;
    for route in keyed().filter(|route| route.method == Method::GET && !route.path.contains("{id}")) {
        let answer = world.get(route.path, &stranger.key).send().await;
        assert_eq!(answer.status, 200, "{}", route.operation);
        let text = answer.body.to_string();
        assert!(!text.contains("+902125550100"), "{}", route.operation);
        for id in owned.values().filter(|id| *id != "flow_pricing_v3") {
            assert!(!text.contains(id.as_str()), "{}", route.operation);
        }
    }
}

#[tokio::test]
async fn a_malformed_body_is_refused_by_every_route_that_reads_one() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for route in keyed().filter(|route| !matches!(route.method, Method::GET | Method::DELETE)) {
        let (method, path) = (route.method.as_str(), sample_path(route));
        let broken =
            world.call(method, &path).key(&tenant.key).text("application/json", "{\"a\":").send().await;
        assert_eq!(
            (broken.status, &broken.body["code"]),
            (400, &json!("invalid_json")),
            "{}: {}",
            route.operation,
            broken.body
        );
        for text in ["null", "[]", "\"text\"", "{\"no such field\": 1}"] {
            let answer =
                world.call(method, &path).key(&tenant.key).text("application/json", text).send().await;
            assert_eq!(answer.status, 400, "{} {text}", route.operation);
            assert!(!answer.body["errors"].as_array().unwrap().is_empty(), "{} {text}", route.operation);
        }
        let unknown = world.call(method, &path).key(&tenant.key).text("image/png", "x").send().await;
        assert_eq!(unknown.status, 415, "{}", route.operation);
    }
}

#[tokio::test]
async fn a_malformed_id_is_refused_by_every_route_that_has_one() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for route in keyed().filter(|route| route.path.contains("{id}")) {
        for id in ["x", "lead_", "..", "acct_00000000000000000000000000", "%00"] {
            let path = route.path.replace("{id}", id);
            let answer = world.call(route.method.as_str(), &path).key(&tenant.key).send().await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (400, &json!("invalid_id_format")),
                "{} {id}",
                route.operation
            );
        }
    }
}

#[tokio::test]
async fn the_wrong_method_is_refused_by_every_route() {
    let world = World::new().await;
    for route in routes::all() {
        let answer = world.call("PUT", &sample_path(route)).send().await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (405, &json!("method_not_allowed")),
            "{}",
            route.operation
        );
        assert!(answer.headers.contains_key("allow"), "{}", route.operation);
    }
}

#[test]
fn spin_sends_every_path_to_the_component_that_has_it() {
    let triggers = triggers(include_str!("../../../../spin.toml"));
    for component in routes::COMPONENTS {
        for route in component.routes {
            let prefix = |(path, _): &&(&str, &str)| {
                let path = path.trim_end_matches("/...");
                route.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let longest = triggers.iter().filter(prefix).max_by_key(|(path, _)| path.len());
            assert_eq!(longest.map(|(_, component)| *component), Some(component.name), "{}", route.operation);
        }
    }
}

/// Route and component of every trigger of the manifest.
fn triggers(manifest: &'static str) -> Vec<(&'static str, &'static str)> {
    let value = |line: &'static str, key: &str| line.strip_prefix(key)?.strip_suffix('"');
    let mut lines = manifest.lines();
    std::iter::from_fn(|| {
        let route = lines.find_map(|line| value(line, "route = \""))?;
        Some((route, lines.next().and_then(|line| value(line, "component = \"")).unwrap()))
    })
    .collect()
}
