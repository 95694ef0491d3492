use crate::world::World;
use serde_json::json;
use talkif_rules::secret;

#[tokio::test]
async fn the_secret_is_shown_once_and_sealed_at_rest() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({"url": "https://hooks.example.com/talkif", "events": ["outcome.*", "call.started"]});
    let made = world.post("/v1/webhook-endpoints", &tenant.key, &body).send().await;
    assert_eq!(made.status, 201, "{}", made.body);
    let shown = made.body["secret"].as_str().unwrap();
    assert!(shown.starts_with("whsec_"));
    let sealed = world.text("select secret from webhook_endpoints").await.unwrap();
    assert!(!sealed.contains(shown));
    assert_eq!(secret::open(world.sealing_key(), &sealed).unwrap(), shown);

    let id = made.body["endpoint_id"].as_str().unwrap();
    let read = world.get(&format!("/v1/webhook-endpoints/{id}"), &tenant.key).send().await;
    assert_eq!(read.body["events"], json!(["outcome.*", "call.started"]));
    assert!(read.body.get("secret").is_none());
    assert_eq!(world.delete(&format!("/v1/webhook-endpoints/{id}"), &tenant.key).send().await.status, 204);
    assert_eq!(world.get(&format!("/v1/webhook-endpoints/{id}"), &tenant.key).send().await.status, 404);
    let empty = world.get("/v1/webhook-endpoints", &tenant.key).send().await;
    assert_eq!(empty.body, json!({"webhook_endpoints": [], "meta": {"total": 0, "limit": 20, "offset": 0}}));
}

#[tokio::test]
async fn private_addresses_and_idle_patterns_are_refused() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({"url": "https://169.254.169.254/latest", "events": ["outcomes.*"]});
    let answer = world.post("/v1/webhook-endpoints", &tenant.key, &body).send().await;
    assert_eq!(answer.status, 400);
    let fields: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["url", "events[0]"]);
}

#[tokio::test]
async fn an_account_has_20_endpoints_even_if_all_are_made_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let other = world.tenant("other", "+902125550101").await;
    let make = |n: usize| {
        let body = json!({"url": format!("https://hooks.example.com/{n}")});
        let call = world.post("/v1/webhook-endpoints", &tenant.key, &body);
        async move { call.send().await.status }
    };
    let statuses = futures::future::join_all((0..30).map(make)).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 10, "{statuses:?}");
    let body = json!({"url": "https://hooks.example.com/"});
    assert_eq!(world.post("/v1/webhook-endpoints", &other.key, &body).send().await.status, 201);
}

#[tokio::test]
async fn an_account_has_20_endpoints() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for n in 0..=20 {
        let body = json!({"url": format!("https://hooks.example.com/{n}")});
        let answer = world.post("/v1/webhook-endpoints", &tenant.key, &body).send().await;
        assert_eq!(answer.status, if n < 20 { 201 } else { 422 });
    }
}

#[tokio::test]
async fn a_lead_is_taken_while_an_endpoint_is_being_deleted() {
    let world = World::in_region(talkif_model::Region::EuWest, true).await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for path in ["doomed", "kept"] {
        let hook = json!({"url": format!("http://127.0.0.1:9/{path}"), "events": ["lead.*"]});
        assert_eq!(world.post("/v1/webhook-endpoints", &tenant.key, &hook).send().await.status, 201);
    }
    let mut deletion = world.region.pool.begin().await.unwrap();
    sqlx::raw_sql("delete from webhook_endpoints where url like '%doomed'")
        .execute(&mut *deletion)
        .await
        .unwrap();
    let goes_through = async {
        let waiting = "select 'waits' from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        while world.text(waiting).await.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        deletion.commit().await.unwrap();
    };
    let lead = crate::leads::lead();
    let (answer, ()) = tokio::join!(world.post("/v1/leads", &tenant.key, &lead).send(), goes_through);
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    assert_eq!(world.count("webhook_deliveries").await, 1);
}
