use crate::leads::lead;
use crate::world::World;
use serde_json::json;
use talkif_model::CallId;
use talkif_rules::artifact::{self, Kind};

#[tokio::test]
async fn a_finished_call_shows_everything_that_is_known() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let id = made.body["call_id"].as_str().unwrap();
    let account = tenant.account.sql();
    world.execute(&format!("
        update leads set created_at = now() - interval '100 seconds', state = 'reached', outcome = 'booked', finished_at = now();
        update calls set status = 'completed', end_reason = 'agent_completed', outcome = 'booked',
            booking = '{{\"slot\": \"2026-05-26T15:30:00Z\", \"owner\": \"mehmet@helena.example\"}}',
            slots = '{{\"budget\": \"12k\"}}',
            dialed_at = now() - interval '90 seconds', answered_at = now() - interval '80 seconds', ended_at = now();
        update calls set sip_call_id = 'abc@carrier', sip_status = 200;
        insert into events (account_id, call_id, type, data)
            select '{account}', id, 'call.sip', '{{\"sip.h.X-Desk\": \"6\"}}' from calls;
        insert into events (account_id, call_id, type, data)
            select '{account}', id, 'call.sip', '{{\"sip.h.X-Desk\": \"7\"}}' from calls;
        insert into turns (account_id, call_id, turn_no, speaker, text, started_ms, ended_ms)
            select '{account}', id, 1, 'agent', 'Hi, this is Talkif.', 120, 2100 from calls;
        insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
            select id, '{account}', 'r/1', 10, 80000, now() + interval '30 days' from calls;
    ")).await;

    let call = world.get(&format!("/v1/calls/{id}?include=trace,transcript"), &tenant.key).send().await;
    assert_eq!(call.status, 200, "{}", call.body);
    for (field, value) in [
        ("status", json!("completed")),
        ("end_reason", json!("agent_completed")),
        ("outcome", json!("booked")),
        ("qualified", json!(true)),
        ("slots", json!({"budget": "12k"})),
        ("duration_ms", json!(80_000)),
        ("sip", json!({"call_id": "abc@carrier", "status": 200, "attributes": {"sip.h.X-Desk": "7"}})),
        ("metrics", json!({"first_dial_ms": 10_000, "answered_at_ms": 20_000, "outcome_at_ms": 100_000})),
        ("lead_id", made.body["lead_id"].clone()),
    ] {
        assert_eq!(call.body[field], value, "{field}");
    }
    assert_eq!(call.body["booking"]["owner"], "mehmet@helena.example");
    assert_eq!(call.body["transcript"][0]["text"], "Hi, this is Talkif.");
    assert_eq!(call.body["attempts"][0]["status"], "completed");
    let spans: Vec<_> =
        call.body["trace"].as_array().unwrap().iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert!(
        spans.contains(&"lead.received") && spans.contains(&"flow.match") && spans.contains(&"queue.enqueue")
    );
    check_address(call.body["transcript_url"].as_str().unwrap(), id, Kind::Transcript);
    check_address(call.body["recording_url"].as_str().unwrap(), id, Kind::Recording);
    assert_eq!(call.body["recording_status"], "available");

    world.execute("update recordings set deleted_at = now()").await;
    let call = world.get(&format!("/v1/calls/{id}"), &tenant.key).send().await.body;
    assert_eq!((&call["recording_url"], &call["recording_status"]), (&json!(null), &json!("deleted")));
}

#[tokio::test]
async fn a_call_that_could_not_be_recorded_says_so() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    world
        .execute(
            "insert into events (account_id, call_id, type) select account_id, id, 'call.recording_failed' from calls",
        )
        .await;
    let path = format!("/v1/calls/{}", made.body["call_id"].as_str().unwrap());
    let call = world.get(&path, &tenant.key).send().await.body;
    assert_eq!((&call["recording_url"], &call["recording_status"]), (&json!(null), &json!("failed")));
}

fn check_address(url: &str, call: &str, kind: Kind) {
    let call: CallId = call.parse().unwrap();
    let expires = crate::world::NOW_US / 1_000_000 + 24 * 60 * 60;
    assert_eq!(url, artifact::url("https://artifacts.example", &[7; 32], kind, call, expires));
}

#[tokio::test]
async fn a_queued_call_has_no_artifacts_and_no_extras() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let path = format!("/v1/calls/{}", made.body["call_id"].as_str().unwrap());
    let call = world.get(&path, &tenant.key).send().await.body;
    assert_eq!(
        (&call["status"], &call["transcript_url"], &call["recording_url"], &call["recording_status"]),
        (&json!("queued"), &json!(null), &json!(null), &json!(null))
    );
    assert!(call.get("transcript").is_none() && call.get("trace").is_none());
    assert!(call["not_before"].is_string());
}

#[tokio::test]
async fn a_call_under_way_says_when_it_rang_and_where_in_the_flow_it_is() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let path = format!("/v1/calls/{}", made.body["call_id"].as_str().unwrap());
    let queued = world.get(&path, &tenant.key).send().await.body;
    assert_eq!((&queued["ringing_at"], &queued["current_node"]), (&json!(null), &json!(null)));
    world
        .execute(
            "update calls set status = 'in_progress', dialed_at = '2026-05-26T12:00:01Z',
                 ringing_at = '2026-05-26T12:00:02Z', answered_at = '2026-05-26T12:00:05Z';
             insert into events (account_id, call_id, type, data)
                 select account_id, id, kind, data::jsonb from calls, (values
                     ('call.node', '{\"node\": \"main\"}'), ('call.node', '{\"node\": \"booking\"}'),
                     ('call.turn', '{\"node\": \"no node\"}')) as e(kind, data)",
        )
        .await;
    let call = world.get(&path, &tenant.key).send().await.body;
    assert_eq!(call["ringing_at"], "2026-05-26T12:00:02.000Z");
    assert_eq!(call["current_node"], "booking");
}

#[tokio::test]
async fn calls_are_listed_and_filtered() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let mut leads = Vec::new();
    for n in 0..3 {
        let mut body = lead();
        body["phone"] = json!(format!("+90532123421{n}"));
        leads.push(world.post("/v1/leads", &tenant.key, &body).send().await.body);
    }
    let path = format!("/v1/leads/{}", leads[0]["lead_id"].as_str().unwrap());
    world.delete(&path, &tenant.key).send().await;
    let all = world.get("/v1/calls?limit=2", &tenant.key).send().await.body;
    assert_eq!(all["meta"], json!({"total": 3, "limit": 2, "offset": 0}));
    assert_eq!(all["calls"][0]["call_id"], leads[2]["call_id"], "newest first");
    let queued = world.get("/v1/calls?status=queued", &tenant.key).send().await.body;
    assert_eq!(queued["meta"]["total"], 2);
    let of_lead = format!("/v1/calls?lead_id={}", leads[1]["lead_id"].as_str().unwrap());
    assert_eq!(
        world.get(&of_lead, &tenant.key).send().await.body["calls"][0]["call_id"],
        leads[1]["call_id"]
    );
    let beyond = world.get("/v1/calls?offset=10", &tenant.key).send().await.body;
    assert_eq!((&beyond["calls"], &beyond["meta"]["total"]), (&json!([]), &json!(3)));
    for wrong in ["status=gone", "limit=0", "limit=101", "offset=-1", "limit=x", "lead_id=call_1"] {
        assert_eq!(world.get(&format!("/v1/calls?{wrong}"), &tenant.key).send().await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn numbers_are_listed_without_their_secrets() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let numbers = world.get("/v1/numbers", &tenant.key).send().await.body;
    assert_eq!(numbers["meta"], json!({"total": 1, "limit": 20, "offset": 0}));
    assert_eq!(numbers["numbers"][0]["phone"], "+902125550100");
    assert!(!numbers.to_string().contains("password"));
}
