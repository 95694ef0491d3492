use crate::world::{Answer, World};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

pub(crate) fn lead() -> Value {
    json!({
        "event": "lead.created", "source": "web_form", "phone": "+905321234218", "name": "Ece Y.",
        "intent": "pricing", "language": "tr", "consent": true, "call_within": 60,
        "metadata": {"deal": 7}
    })
}

fn with(changes: Value) -> Value {
    let mut lead = lead();
    for (key, value) in changes.as_object().unwrap() {
        lead[key] = value.clone();
    }
    lead
}

fn problem(answer: &Answer) -> (u16, &str, &str) {
    let field = answer.body["errors"][0]["field"].as_str().unwrap_or_default();
    (answer.status, answer.body["code"].as_str().unwrap(), field)
}

#[tokio::test]
async fn a_lead_becomes_a_queued_call_with_all_that_belongs_to_it() {
    let world = World::in_region(talkif_model::Region::EuWest, true).await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let hook = json!({"url": "http://127.0.0.1:9/hook", "events": ["lead.*"]});
    assert_eq!(world.post("/v1/webhook-endpoints", &tenant.key, &hook).send().await.status, 201);
    let deaf = json!({"url": "http://127.0.0.1:9/outcomes", "events": ["outcome.*"]});
    assert_eq!(world.post("/v1/webhook-endpoints", &tenant.key, &deaf).send().await.status, 201);

    let answer = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    assert_eq!(answer.body["status"], "queued");
    assert_eq!(answer.headers["x-request-id"], "request-1");

    for (table, rows) in [
        ("leads", 1),
        ("calls", 1),
        ("contacts", 1),
        ("consents", 1),
        ("events", 1),
        ("spans", 3),
        ("webhook_deliveries", 1),
        ("idempotency_keys", 0),
    ] {
        assert_eq!(world.count(table).await, rows, "{table}");
    }
    let call = world
        .text("select from_number || ' ' || to_number || ' ' || flow_id || ' ' || flow_version from calls")
        .await;
    assert_eq!(call.as_deref(), Some("+902125550100 +905321234218 flow_pricing_v3 1"));
    let budget =
        world.text("select extract(epoch from dial_deadline - created_at)::int::text from calls").await;
    assert_eq!(budget.as_deref(), Some("60"));

    let payload = world.text("select payload from webhook_deliveries").await.unwrap();
    let event: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(event["event"], "lead.created");
    assert_eq!(event["call_id"], answer.body["call_id"]);
    assert_eq!(event["lead_id"], answer.body["lead_id"]);
    assert_eq!((&event["phone"], &event["consent"]), (&json!("+905321234218"), &json!(true)));

    let entries = world.redis.entries("talkif:eu-west:calls").await;
    let told: String = entries[0].get("call_id").unwrap();
    assert_eq!(answer.body["call_id"], told);
    let trace: String = entries[0].get("traceparent").unwrap();
    let stored = world.text("select trace_id from calls").await.unwrap();
    assert_eq!(trace.split('-').nth(1), Some(stored.as_str()));
}

#[tokio::test]
async fn the_documented_lead_is_taken_by_the_documented_flow() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let documented = json!({
        "event": "lead.created", "source": "web_form", "phone": "+905321234218", "intent": "pricing",
        "consent": true, "call_within": 60
    });
    let answer = world.post("/v1/leads", &tenant.key, &documented).send().await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("queued")), "{}", answer.body);
    assert_eq!(world.text("select flow_id from leads").await.as_deref(), Some("flow_pricing_v3"));
}

#[tokio::test]
async fn a_lead_is_read_back_as_it_was_sent() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let path = format!("/v1/leads/{}", made.body["lead_id"].as_str().unwrap());
    let answer = world.get(&path, &tenant.key).send().await;
    assert_eq!(answer.status, 200);
    let expected = [
        ("status", json!("queued")),
        ("phone", json!("+905321234218")),
        ("name", json!("Ece Y.")),
        ("intent", json!("pricing")),
        ("metadata", json!({"deal": 7})),
        ("call_within", json!(60)),
        ("flow_id", json!("flow_pricing_v3")),
        ("from_number", json!("+902125550100")),
    ];
    for (field, value) in expected {
        assert_eq!(answer.body[field], value, "{field}");
    }
    assert_eq!(answer.body["attempts"][0]["call_id"], made.body["call_id"]);
}

#[tokio::test]
async fn numbers_are_normalised_with_the_country_as_a_hint() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let body = with(json!({"phone": "0532 123 42 18", "country": "TR"}));
    assert_eq!(world.post("/v1/leads", &tenant.key, &body).send().await.status, 202);
    assert_eq!(world.text("select phone from leads").await.as_deref(), Some("+905321234218"));
    let answer = world.post("/v1/leads", &tenant.key, &with(json!({"phone": "0532 123 42 18"}))).send().await;
    assert_eq!(problem(&answer), (400, "validation_failed", "phone"));
}

#[tokio::test]
async fn without_consent_nothing_is_written() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    for consent in [json!(false), Value::Null, json!({"granted": false, "source": "form"})] {
        let answer = world.post("/v1/leads", &tenant.key, &with(json!({ "consent": consent }))).send().await;
        assert_eq!(problem(&answer), (422, "business_rule_violation", "consent"));
    }
    assert_eq!(world.count("leads").await, 0);
}

#[tokio::test]
async fn evidence_of_consent_is_stored() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let consent = json!({"granted": true, "source": "landing_page", "text": "Call me", "ip": "203.0.113.9"});
    let answer = world.post("/v1/leads", &tenant.key, &with(json!({ "consent": consent }))).send().await;
    assert_eq!(answer.status, 202);
    let stored = world.text("select source || ' ' || (evidence ->> 'ip') from consents").await;
    assert_eq!(stored.as_deref(), Some("landing_page 203.0.113.9"));
}

#[tokio::test]
async fn a_number_on_the_do_not_call_list_or_opted_out_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let account = tenant.account.sql();
    world.execute(&format!("insert into dnc_entries (account_id, phone, source) values ('{account}', '+905321234218', 'manual')")).await;
    let answer = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    assert_eq!(problem(&answer), (422, "contact_on_dnc_list", ""));

    world.execute(&format!(
        "insert into consents (id, account_id, phone, granted, source) values (gen_random_uuid(), '{account}', '+905321234219', false, 'call_opt_out')"
    )).await;
    let answer = world.post("/v1/leads", &tenant.key, &with(json!({"phone": "+905321234219"}))).send().await;
    assert_eq!(problem(&answer), (422, "contact_on_dnc_list", ""));
    assert_eq!(world.count("leads").await, 0);
}

#[tokio::test]
async fn another_accounts_do_not_call_list_says_nothing() {
    let world = World::new().await;
    let (helena, other) =
        (world.tenant("helena", "+902125550100").await, world.tenant("other", "+902125550101").await);
    let account = other.account.sql();
    world.execute(&format!("insert into dnc_entries (account_id, phone, source) values ('{account}', '+905321234218', 'manual')")).await;
    assert_eq!(world.post("/v1/leads", &helena.key, &lead()).send().await.status, 202);
}

#[tokio::test]
async fn the_flow_is_named_or_matched_and_must_be_the_accounts_own() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let stranger = world.post("/v1/leads", &tenant.key, &with(json!({"flow_id": "flow_other"}))).send().await;
    assert_eq!(problem(&stranger), (400, "flow_not_published", "flow_id"));
    let unmatched = world.post("/v1/leads", &tenant.key, &with(json!({"intent": "support"}))).send().await;
    assert_eq!(problem(&unmatched), (422, "business_rule_violation", "flow_id"));
    let named = with(json!({"intent": "support", "flow_id": "flow_pricing_v3"}));
    assert_eq!(world.post("/v1/leads", &tenant.key, &named).send().await.status, 202);
}

#[tokio::test]
async fn the_number_is_named_or_chosen_and_must_be_active() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    world.tenant("other", "+902125550101").await;
    let foreign =
        world.post("/v1/leads", &tenant.key, &with(json!({"from_number": "+902125550101"}))).send().await;
    assert_eq!(problem(&foreign), (400, "phone_number_not_active", "from_number"));
    let own =
        world.post("/v1/leads", &tenant.key, &with(json!({"from_number": "+902125550100"}))).send().await;
    assert_eq!(own.status, 202);
    world.execute("update numbers set status = 'suspended'").await;
    let none = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    assert_eq!(problem(&none), (400, "phone_number_not_active", ""));
}

#[tokio::test]
async fn the_lead_stands_when_redis_is_away() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    world.redis.away.store(true, Ordering::SeqCst);
    assert_eq!(world.post("/v1/leads", &tenant.key, &lead()).send().await.status, 202);
    assert_eq!(world.count("calls").await, 1);
}

#[tokio::test]
async fn a_second_lead_of_a_contact_updates_what_is_known() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let second = with(json!({"name": "Ece Yılmaz", "timezone": "Europe/Istanbul"}));
    assert_eq!(world.post("/v1/leads", &tenant.key, &second).send().await.status, 202);
    assert_eq!(world.count("contacts").await, 1);
    let contact = world.text("select name || ' ' || timezone || ' ' || language from contacts").await;
    assert_eq!(contact.as_deref(), Some("Ece Yılmaz Europe/Istanbul tr"));
}

#[tokio::test]
async fn a_lead_is_canceled_before_its_first_dial_only() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let path = format!("/v1/leads/{}", made.body["lead_id"].as_str().unwrap());
    for _ in 0..2 {
        let answer = world.delete(&path, &tenant.key).send().await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("canceled")));
    }
    let call = world.text("select status || ' ' || end_reason from calls").await;
    assert_eq!(call.as_deref(), Some("canceled canceled"));
    assert_eq!(world.count("events where type = 'lead.canceled'").await, 1);
}

#[tokio::test]
async fn canceling_at_the_same_time_is_no_error_either() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let path = format!("/v1/leads/{}", made.body["lead_id"].as_str().unwrap());
    // The row is held until all four requests wait for it.
    let mut held = world.region.pool.begin().await.unwrap();
    sqlx::query("select from calls for update").execute(&mut *held).await.unwrap();
    let send = || world.delete(&path, &tenant.key).send();
    let release = async {
        let waiting = "select count(*)::text from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        for _ in 0..10_000 {
            if world.text(waiting).await.as_deref() == Some("4") {
                break;
            }
        }
        held.commit().await.unwrap();
    };
    let (a, b, c, d, ()) = tokio::join!(send(), send(), send(), send(), release);
    for answer in [a, b, c, d] {
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("canceled")), "{}", answer.body);
    }
    assert_eq!(world.count("events where type = 'lead.canceled'").await, 1);
}

#[tokio::test]
async fn a_text_that_postgres_cannot_hold_is_the_clients_mistake() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let consent = json!({"granted": true, "text": "a\0b"});
    for changes in [
        json!({"metadata": {"deal": "a\0b"}}),
        json!({"metadata": {"a\0b": 1}}),
        json!({ "consent": consent }),
    ] {
        let answer = world.post("/v1/leads", &tenant.key, &with(changes)).send().await;
        assert_eq!(problem(&answer), (400, "bad_request", ""));
    }
}

#[tokio::test]
async fn a_dialled_or_finished_lead_cannot_be_canceled() {
    let world = World::new().await;
    let tenant = world.tenant("helena", "+902125550100").await;
    let made = world.post("/v1/leads", &tenant.key, &lead()).send().await;
    let path = format!("/v1/leads/{}", made.body["lead_id"].as_str().unwrap());
    world.execute("update calls set status = 'ringing', dialed_at = now()").await;
    let dialled = world.delete(&path, &tenant.key).send().await;
    assert_eq!(problem(&dialled), (409, "invalid_state_transition", ""));
    world.execute("update leads set state = 'reached', finished_at = now()").await;
    let finished = world.delete(&path, &tenant.key).send().await;
    assert_eq!(problem(&finished), (409, "call_already_completed", ""));
}
