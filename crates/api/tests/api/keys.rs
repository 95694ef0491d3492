use crate::world::World;
use serde_json::{Value, json};

fn key(name: &str, scopes: &[&str]) -> Value {
    json!({"name": name, "scopes": scopes})
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_works_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/api-keys", &tenant.key, &key("reader", &["calls:read"])).send().await;
    assert_eq!(made.status, 201, "{}", made.body);
    let secret = made.body["key"].as_str().unwrap();
    assert!(secret.starts_with("tif_live_"));
    assert_eq!(world.get("/v1/calls", secret).send().await.status, 200);
    let listed = world.get("/v1/api-keys", &tenant.key).send().await;
    assert_eq!(listed.body["meta"]["total"], 2);
    assert!(!listed.body.to_string().contains(secret));
    assert_eq!(listed.body["api_keys"][1]["scopes"], json!(["calls:read"]));
    assert_eq!(world.count(&format!("directory.api_keys where hint = '{secret}'")).await, 0);
}

#[tokio::test]
async fn a_key_makes_no_stronger_one() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made =
        world.post("/v1/api-keys", &tenant.key, &key("admin", &["api_keys:*", "calls:read"])).send().await;
    let weak = made.body["key"].as_str().unwrap();
    let answer = world.post("/v1/api-keys", weak, &key("strong", &["calls:write"])).send().await;
    assert_eq!((answer.status, &answer.body["code"]), (403, &json!("api_key_insufficient_scope")));
    assert_eq!(world.post("/v1/api-keys", weak, &key("equal", &["calls:read"])).send().await.status, 201);
}

#[tokio::test]
async fn an_account_has_25_keys_even_if_all_are_made_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let make = |n: usize| {
        let call = world.post("/v1/api-keys", &tenant.key, &key(&format!("key {n}"), &["calls:read"]));
        async move { call.send().await }
    };
    let answers = futures::future::join_all((0..40).map(make)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 24);
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert!(
        refused.iter().all(|answer| answer.body["code"] == "api_key_limit_reached" && answer.status == 422)
    );

    let made = answers.iter().find(|answer| answer.status == 201).unwrap();
    let path = format!("/v1/api-keys/{}", made.body["key_id"].as_str().unwrap());
    assert_eq!(world.delete(&path, &tenant.key).send().await.status, 204);
    assert_eq!(make(99).await.status, 201, "a revoked key frees its slot");
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_any_more() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/api-keys", &tenant.key, &key("reader", &["calls:read"])).send().await;
    let (secret, id) = (made.body["key"].as_str().unwrap(), made.body["key_id"].as_str().unwrap());
    assert_eq!(world.get("/v1/calls", secret).send().await.status, 200);
    for _ in 0..2 {
        assert_eq!(world.delete(&format!("/v1/api-keys/{id}"), &tenant.key).send().await.status, 204);
    }
    let answer = world.get("/v1/calls", secret).on(&world.fresh_instance()).send().await;
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!("api_key_revoked")));
    world.clock.advance_s(5);
    assert_eq!(world.get("/v1/calls", secret).send().await.status, 401, "an instance forgets within 5 s");
}

#[tokio::test]
async fn an_expired_key_says_so() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({"name": "short", "scopes": ["calls:read"], "expires_at": "2026-05-26T12:01:00Z", "mode": "test"});
    let made = world.post("/v1/api-keys", &tenant.key, &body).send().await;
    assert_eq!(made.status, 201, "{}", made.body);
    let secret = made.body["key"].as_str().unwrap();
    assert!(secret.starts_with("tif_test_"));
    assert_eq!(world.get("/v1/calls", secret).send().await.status, 200);
    world.clock.advance_s(60);
    let answer = world.get("/v1/calls", secret).send().await;
    assert_eq!((answer.status, &answer.body["code"]), (401, &json!("api_key_expired")));
}

#[tokio::test]
async fn a_key_can_be_bound_to_networks() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({"name": "office", "scopes": ["calls:read"], "allowed_cidrs": ["203.0.113.0/24"]});
    let made = world.post("/v1/api-keys", &tenant.key, &body).send().await;
    let secret = made.body["key"].as_str().unwrap();
    let from = |address: &str| world.get("/v1/calls", secret).header("spin-client-addr", address).send();
    assert_eq!(from("203.0.113.9:4711").await.status, 200);
    for outside in ["198.51.100.1:4711", "not an address"] {
        let answer = from(outside).await;
        assert_eq!((answer.status, &answer.body["code"]), (403, &json!("api_key_ip_restricted")));
    }
    let forged = world.get("/v1/calls", secret).header("x-forwarded-for", "203.0.113.9").send().await;
    assert_eq!(forged.status, 403, "no proxy of ours is there to write this header");
}

#[tokio::test]
async fn wrong_fields_of_a_key_are_reported_together() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({
        "name": "", "scopes": ["calls:fly"], "allowed_cidrs": ["everywhere"],
        "expires_at": "2020-01-01T00:00:00Z", "mode": "dry"
    });
    let answer = world.post("/v1/api-keys", &tenant.key, &body).send().await;
    let fields: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["name", "scopes[0]", "allowed_cidrs[0]", "expires_at", "mode"]);
}

#[tokio::test]
async fn the_wrong_region_names_the_right_one() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    world.execute("insert into directory.regions values ('tr-ist', 'https://tr-ist.example')").await;
    world.execute("update directory.accounts set home_region = 'tr-ist', strict_residency = true").await;
    let answer = world.get("/v1/calls", &tenant.key).send().await;
    assert_eq!(answer.status, 421);
    assert_eq!(answer.body["code"], "wrong_region");
    assert_eq!(answer.body["meta"]["region"], "tr-ist");
    assert_eq!(answer.body["meta"]["url"], "https://tr-ist.example");
}

#[tokio::test]
async fn the_wrong_region_does_not_read_the_body() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    // Not strict: nothing is forwarded all the same.
    world.execute("update directory.accounts set home_region = 'tr-ist'").await;
    let unread = axum::body::Body::from_stream(futures::stream::poll_fn(
        |_| -> std::task::Poll<Option<Result<bytes::Bytes, std::io::Error>>> { panic!("the body was read") },
    ));
    let request = http::Request::post("/v1/leads")
        .header("authorization", format!("Bearer {}", tenant.key))
        .header("content-type", "application/json")
        .body(unread);
    let mut router = talkif_api::whole_router(world.app.clone());
    let response = tower_service::Service::call(&mut router, request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 421);
}
