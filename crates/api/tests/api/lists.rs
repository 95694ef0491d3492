use crate::world::World;
use serde_json::{Value, json};

fn list(leads: &[Value]) -> Value {
    json!({"flow_id": "flow_pricing_v3", "consent": true, "campaign": "recovery", "leads": leads})
}

#[tokio::test]
async fn every_lead_of_a_list_is_judged_by_itself() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let account = tenant.account.sql();
    world.execute(&format!("insert into dnc_entries (account_id, phone, source) values ('{account}', '+905321234213', 'manual')")).await;
    let body = list(&[
        json!({"phone": "+905321234210"}),
        json!({"phone": "12"}),
        json!({"phone": "+905321234212", "consent": false}),
        json!({"phone": "+905321234213"}),
        json!({"phone": "+90 532 123 42 10"}),
        json!({"phone": "+905321234215", "name": "Can"}),
    ]);
    let answer = world.post("/v1/lists", &tenant.key, &body).send().await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(2), &json!(4)));
    let codes: Vec<_> = answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["error"]["code"].as_str().unwrap_or("queued"))
        .collect();
    let expected = [
        "queued",
        "validation_failed",
        "business_rule_violation",
        "contact_on_dnc_list",
        "validation_failed",
        "queued",
    ];
    assert_eq!(codes, expected);
    assert_eq!(answer.body["results"][4]["error"]["errors"][0]["code"], "already_exists");
    assert_eq!(world.count("calls").await, 2);
    assert_eq!(world.redis.entries("talkif:eu-west:calls").await.len(), 2);
    let traces = world.text("select count(distinct trace_id)::text from calls").await;
    assert_eq!(traces.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_thousand_leads_go_in_at_once_and_not_one_more() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let leads: Vec<_> = (0..1_001).map(|n| json!({"phone": format!("+90532100{n:04}")})).collect();
    let answer = world.post("/v1/lists", &tenant.key, &list(&leads)).send().await;
    assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (400, &json!("leads")));
    let answer = world.post("/v1/lists", &tenant.key, &list(&leads[..1_000])).send().await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(1_000)));
    assert_eq!(world.count("calls").await, 1_000);
}

#[tokio::test]
async fn a_list_for_an_unknown_flow_is_refused_as_a_whole() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = json!({"flow_id": "flow_other", "consent": true, "leads": [{"phone": "+905321234210"}]});
    let answer = world.post("/v1/lists", &tenant.key, &body).send().await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("flow_not_published")));
    assert_eq!(world.post("/v1/lists", &tenant.key, &list(&[])).send().await.status, 400);
}
