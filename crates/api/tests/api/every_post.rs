//! `Idempotency-Key` on every route that creates something. A new one has to name its bodies here.

use crate::leads::lead;
use crate::world::{Answer, FLOW, World};
use http::Method;
use serde_json::{Value, json};
use talkif_api::routes;

/// Two bodies that the route takes: content type, one body, another.
fn bodies(operation: &str) -> (&'static str, String, String) {
    let json = |one: Value, other: Value| ("application/json", one.to_string(), other.to_string());
    let list = |phone| json!({"flow_id": "flow_pricing_v3", "consent": true, "leads": [{"phone": phone}]});
    let other_lead = |mut lead: Value| {
        lead["phone"] = json!("+905321234219");
        lead
    };
    match operation {
        "create_lead" => json(lead(), other_lead(lead())),
        "create_list" => json(list("+905321234210"), list("+905321234211")),
        "publish_flow" => ("application/yaml", FLOW.replace("60s", "70s"), FLOW.replace("60s", "80s")),
        "create_webhook_endpoint" => json(
            json!({"url": "https://hooks.example.com/one"}),
            json!({"url": "https://hooks.example.com/other"}),
        ),
        "create_api_key" => json(
            json!({"name": "one", "scopes": ["calls:read"]}),
            json!({"name": "other", "scopes": ["calls:read"]}),
        ),
        _ => panic!("say here what `{operation}` takes"),
    }
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

#[tokio::test]
async fn every_route_that_creates_answers_a_repeated_key_with_its_first_answer() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for route in routes::all().filter(|route| route.method == Method::POST) {
        let (kind, body, other) = bodies(route.operation);
        let send = |body: &str, key: &str| {
            let call = world.call("POST", route.path).key(&tenant.key).text(kind, body);
            call.header("idempotency-key", key).send()
        };
        let (first, second) = (send(&body, "once").await, send(&body, "once").await);
        assert!(first.status < 300, "{}: {}", route.operation, first.body);
        assert_eq!((second.status, &second.body), (first.status, &first.body), "{}", route.operation);
        assert!(!replayed(&first) && replayed(&second), "{}", route.operation);

        let conflict = send(&other, "once").await;
        assert_eq!(
            (conflict.status, &conflict.body["code"]),
            (409, &json!("conflict")),
            "{}",
            route.operation
        );
        let oversized = send(&body, &"k".repeat(256)).await;
        assert_eq!((oversized.status, &oversized.body["code"]), (400, &json!("bad_request")));
        let fresh = send(&other, "another").await;
        assert!(fresh.status < 300 && !replayed(&fresh), "{}: {}", route.operation, fresh.body);
    }
}

#[tokio::test]
async fn of_the_same_request_many_times_at_once_one_creates_and_the_others_replay() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for (operation, table) in [
        ("create_webhook_endpoint", "webhook_endpoints"),
        ("create_api_key", "directory.api_keys where name <> 'bootstrap'"),
    ] {
        let route = routes::all().find(|route| route.operation == operation).unwrap();
        let (kind, body, _) = bodies(operation);
        let send = |_| {
            let call = world.call("POST", route.path).key(&tenant.key).text(kind, &body);
            call.header("idempotency-key", "once").send()
        };
        let answers = futures::future::join_all((0..8).map(send)).await;
        assert!(answers.iter().all(|answer| answer.body == answers[0].body), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1, "{operation}");
        assert_eq!(world.count(table).await, 1, "{operation}");
    }
}

#[tokio::test]
async fn secrets_in_kept_answers_are_sealed() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for (operation, secret, table) in [
        ("create_webhook_endpoint", "secret", "idempotency_keys"),
        ("create_api_key", "key", "directory.idempotency_keys"),
    ] {
        let route = routes::all().find(|route| route.operation == operation).unwrap();
        let (kind, body, _) = bodies(operation);
        let call = world.call("POST", route.path).key(&tenant.key).text(kind, &body);
        let answer = call.header("idempotency-key", "once").send().await;
        let shown = answer.body[secret].as_str().unwrap();
        let kept = world.text(&format!("select response from {table}")).await.unwrap();
        assert!(!kept.contains(shown), "{operation}");
        let opened = talkif_rules::secret::open(world.sealing_key(), &kept).unwrap();
        assert!(opened.contains(shown), "{operation}");
    }
}

#[tokio::test]
async fn a_repeated_key_is_answered_even_where_there_is_no_room_any_more() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = |n: usize| {
        let body = json!({"url": format!("https://hooks.example.com/{n}")});
        let call = world.post("/v1/webhook-endpoints", &tenant.key, &body);
        call.header("idempotency-key", &format!("hook-{n}")).send()
    };
    for n in 0..20 {
        assert_eq!(send(n).await.status, 201);
    }
    assert_eq!(send(20).await.status, 422);
    assert_eq!(send(19).await.status, 201);
    assert_eq!(world.count("idempotency_keys").await, 20, "a refusal is not kept");
}

#[tokio::test]
async fn kept_answers_about_keys_go_after_a_day() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = |name: &str| {
        let body = json!({"name": name, "scopes": ["calls:read"]});
        world.post("/v1/api-keys", &tenant.key, &body).header("idempotency-key", name).send()
    };
    let (one, _) = (send("one").await, send("two").await);
    world.execute("update directory.idempotency_keys set created_at = now() - interval '25 hours'").await;
    let again = send("one").await;
    assert_eq!(again.status, 201);
    assert_ne!(one.body["key_id"], again.body["key_id"]);
    assert_eq!(world.count("directory.idempotency_keys").await, 1);
}
