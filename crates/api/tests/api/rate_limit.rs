use crate::leads::lead;
use crate::world::World;
use serde_json::json;
use std::sync::atomic::Ordering;
use talkif_rules::rate::LEADS;

#[tokio::test]
async fn the_burst_may_come_in_one_instant() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    // Refused after the limit has counted them.
    let send = |_| async { world.post("/v1/leads", &tenant.key, &json!({})).send().await.status };
    let statuses = futures::future::join_all((0..300).map(send)).await;
    assert!(statuses.iter().all(|status| *status == 400), "{statuses:?}");
}

#[tokio::test]
async fn lists_cost_their_size_in_a_bucket_of_their_own() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let leads: Vec<_> = (0..1_000).map(|_| json!({"phone": "+905321234210"})).collect();
    let list = json!({"flow_id": "flow_nobody", "consent": true, "leads": leads});
    let send = || world.post("/v1/lists", &tenant.key, &list).send();
    for _ in 0..2 {
        assert_eq!(send().await.body["code"], "flow_not_published");
    }
    let refused = send().await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("rate_limit_exceeded")));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    assert_eq!(world.post("/v1/leads", &tenant.key, &lead()).send().await.status, 202);
}

#[tokio::test]
async fn too_many_leads_are_told_when_to_come_back() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let other = world.tenant("other", "+902125550101").await;
    // An empty body is refused after the limit has counted it, and writes nothing. The bucket
    // refills while the requests run, so a few more than the burst get through.
    let mut refused = None;
    for _ in 0..LEADS.burst * 4 {
        let answer = world.post("/v1/leads", &tenant.key, &json!({})).send().await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 400);
    }
    let refused = refused.expect("the limit holds");
    assert_eq!(refused.body["code"], "rate_limit_exceeded");
    assert_eq!(refused.body["meta"]["retryAfterSecs"], 1);
    assert_eq!(refused.headers["retry-after"], "1");

    let free = world.post("/v1/leads", &other.key, &lead()).send().await;
    assert_eq!(free.status, 202, "limits are per account");
    world.redis.away.store(true, Ordering::SeqCst);
    let open = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    assert_eq!(open.status, 202, "without Redis nobody is refused");
}
