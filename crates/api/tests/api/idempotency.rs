use crate::leads::lead;
use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn the_same_request_twice_has_one_effect_and_one_answer() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = || world.post("/v1/leads", &tenant.key, &lead()).header("idempotency-key", "form-1").send();
    let (first, second) = (send().await, send().await);
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.body, second.body);
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(world.count("leads").await, 1);
    assert_eq!(world.redis.entries("talkif:eu-west:calls").await.len(), 1);
}

#[tokio::test]
async fn the_same_request_at_the_same_time_has_one_effect_and_one_answer() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = || world.post("/v1/leads", &tenant.key, &lead()).header("idempotency-key", "form-1").send();
    let (a, b, c, d) = tokio::join!(send(), send(), send(), send());
    for answer in [&a, &b, &c, &d] {
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(answer.body, a.body);
    }
    for table in ["leads", "calls", "consents", "events"] {
        assert_eq!(world.count(table).await, 1, "{table}");
    }
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = |body| world.post("/v1/leads", &tenant.key, &body).header("idempotency-key", "form-1").send();
    assert_eq!(send(lead()).await.status, 202);
    let mut other = lead();
    other["intent"] = json!("pricing ");
    let answer = send(other).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("conflict")));
    assert_eq!(world.count("leads").await, 1);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let send = || world.post("/v1/leads", &tenant.key, &lead()).header("idempotency-key", "form-1").send();
    let first = send().await;
    world.execute("update idempotency_keys set created_at = now() - interval '25 hours'").await;
    let second = send().await;
    assert_eq!(second.status, 202);
    assert_ne!(first.body["lead_id"], second.body["lead_id"]);
    assert_eq!((world.count("leads").await, world.count("idempotency_keys").await), (2, 1));
}

#[tokio::test]
async fn keys_of_accounts_and_routes_are_apart() {
    let world = World::new().await;
    let (helena, other) =
        (world.tenant("helena", "+902125550100").await, world.tenant("other", "+902125550101").await);
    for key in [&helena.key, &other.key] {
        let answer = world.post("/v1/leads", key, &lead()).header("idempotency-key", "form-1").send().await;
        assert_eq!(answer.status, 202);
        assert!(answer.headers.get("idempotent-replayed").is_none());
    }
    let list = json!({"flow_id": "flow_pricing_v3", "consent": true, "leads": [{"phone": "+905321234210"}]});
    for replayed in [false, true] {
        let answer =
            world.post("/v1/lists", &helena.key, &list).header("idempotency-key", "form-1").send().await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.headers.contains_key("idempotent-replayed"), replayed);
    }
}

#[tokio::test]
async fn an_oversized_key_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let key = "k".repeat(256);
    let answer = world.post("/v1/leads", &tenant.key, &lead()).header("idempotency-key", &key).send().await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("bad_request")));
}
