//! Secrets and personal data stay where they belong: a whole installation is run with marked
//! values everywhere, and everything it says about itself is searched for them.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod outside;
mod region;

use outside::Outside;
use region::Region;
use serde_json::{Value, json};
use talkif_tests::marks::{Find, Marks};

/// What only a person, or only a customer's prompt, would say.
const NAME: &str = "Quillabeth Zorvandale";
const NOTE: &str = "prefers the marigold staircase";
const CONSENT: &str = "I, the undersigned heron, agree";
const PROMPT: &str = "You sell velvet barometers to lighthouse keepers";
const GREETING: &str = "Ahoy, this is the velvet barometer desk";
const STRANGE_KEY: &str = "tif_live_Zq4Kp9Wm2Xn7Vb3Lc8Rt5Hy6Jd1Fg0SsAaEeUuIiOo1";
const FLOW: &str = "flow_marked";

fn flow() -> String {
    format!(
        "id: {FLOW}\nmatch: {{intent: velvet}}\ncall: {{record: true, max_duration: 60s}}\n\
         agent:\n  system: {PROMPT}\n  greeting: {GREETING}, {{{{contact.name}}}}.\n\
         qualify: [need, timing]\non:\n  qualified: book(calendar.mehmet)\n"
    )
}

fn lead(phone: &str) -> Value {
    json!({
        "source": "web_form", "phone": phone, "name": NAME, "intent": "velvet", "language": "en",
        "consent": {"granted": true, "text": CONSENT}, "flow_id": FLOW, "metadata": {"notes": NOTE},
    })
}

/// `lead` with one field that is wrong, and as telling as a wrong field can be.
fn bad_leads(phone: &str) -> Vec<Value> {
    let changes = [
        ("phone", json!(format!("{phone}x{NAME}"))),
        ("phone", json!({ "number": phone })),
        ("phone", json!(format!("{phone}{phone}"))),
        ("name", json!([NAME])),
        ("name", json!(NAME.repeat(40))),
        ("country", json!(NAME)),
        ("language", json!(NOTE)),
        ("timezone", json!(NOTE)),
        ("intent", json!(NOTE.repeat(20))),
        ("event", json!(NOTE)),
        ("call_within", json!(NOTE)),
        ("from_number", json!(phone)),
        ("flow_id", json!(NOTE)),
        ("consent", json!(NOTE)),
        ("consent", json!({"granted": false, "text": CONSENT})),
        ("consent", json!({"granted": CONSENT})),
        ("metadata", json!(NOTE)),
        ("metadata", json!({"notes": NOTE.repeat(1_000)})),
    ];
    let change = |(key, value): (&str, Value)| {
        let mut lead = lead(phone);
        lead[key] = value;
        lead
    };
    changes.into_iter().map(change).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_marked_is_in_logs_traces_or_error_bodies() {
    let outside = Outside::listen().await;
    let region = Region::start(&outside).await;
    let [books, busy, stranger] = region.people();
    let mut marks = Marks::default();
    mark_what_is_known(&mut marks, &region, [&books, &busy, &stranger]);

    region.api.expect("POST", "/v1/flows", "application/yaml", &flow(), 201).await;
    region.persona(&books, "books").await;
    region.persona(&busy, "busy").await;
    let call = region.lead(&lead(&books)).await;
    let missed = region.lead(&lead(&busy)).await;
    region.inbound(&stranger).await;
    region.say_to_sip(&hostile(&books)).await;
    provoke_errors(&region, &books).await;
    let ended = region.ended(&call).await;
    region.spoil_vendors().await;
    let spoilt = region.lead(&lead(&region.people()[2])).await;
    mark_what_was_said(&mut marks, &ended);
    let traces = [region.ended(&call).await, region.ended(&missed).await, region.ended(&spoilt).await];

    let mut finds = Vec::new();
    for call in &traces {
        finds.extend(marks.find("trace", &call["trace"].to_string()));
        assert!(call["trace"].as_array().is_some_and(|spans| !spans.is_empty()), "{call}");
    }
    for (request, body) in region.api.refusals() {
        finds.extend(marks.find(&format!("answer to {request}"), &body));
    }
    let logs = region.stop().await;
    // The lab plays the people and the vendors: it is who all this may be told.
    for (name, text) in logs.iter().filter(|(name, _)| name != "lab.log") {
        finds.extend(marks.find(name, text));
    }
    for spans in outside.spans() {
        finds.extend(marks.find("OTLP", &spans));
    }
    assert!(logs.iter().any(|(name, text)| name == "node.log" && text.contains("DEBUG")), "logged in detail");
    assert!(!outside.spans().is_empty(), "spans were exported");
    assert!(outside.refused_webhooks() > 0, "webhooks failed");
    assert!(finds.is_empty(), "{}", told(&finds));
}

fn told(finds: &[Find]) -> String {
    finds
        .iter()
        .map(|find| format!("{} ({}) in {}: {}\n", find.name, find.form, find.place, find.line))
        .collect()
}

fn mark_what_is_known(marks: &mut Marks, region: &Region, numbers: [&str; 3]) {
    let people = ["called number", "busy number", "calling number"];
    people.iter().zip(numbers).for_each(|(name, number)| marks.add(name, number));
    let texts =
        [("name", NAME), ("note", NOTE), ("consent", CONSENT), ("prompt", PROMPT), ("greeting", GREETING)];
    texts.iter().for_each(|(name, text)| marks.add(name, text));
    marks.add("foreign API key", STRANGE_KEY);
    for (name, secret) in region.secrets() {
        marks.add(&name, &secret);
    }
}

/// Everything that both sides said, as long as it is more than a word.
fn mark_what_was_said(marks: &mut Marks, call: &Value) {
    let turns = call["transcript"].as_array().unwrap();
    assert!(turns.len() > 2, "they talked: {call}");
    for turn in turns {
        let text = turn["text"].as_str().unwrap();
        if text.split_whitespace().count() >= 3 {
            marks.add(&format!("words of turn {}", turn["number"]), text);
        }
    }
}

/// No whole SIP message, and one that names people where the stack might quote them.
fn hostile(number: &str) -> Vec<String> {
    let head = format!(
        "INVITE sip:{number}@127.0.0.1 SIP/2.0\r\nFrom: \"{NAME}\" <sip:{number}@127.0.0.1>;tag=1\r\n"
    );
    vec![
        format!("{head}\r\n"),
        format!("{head}Via: SIP/2.0/UDP\u{feff}é{NAME};branch\r\nCSeq: {NAME}\r\n\r\n"),
        format!(
            "{head}Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nTo: <sip:{number}@127.0.0.1>\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        ),
    ]
}

/// Every request here is refused.
async fn provoke_errors(region: &Region, phone: &str) {
    let api = &region.api;
    for lead in bad_leads(phone) {
        api.refused("POST", "/v1/leads", "application/json", &lead.to_string()).await;
    }
    let lists =
        [json!({"flow_id": FLOW, "leads": [{"phone": NOTE}, {"phone": [phone]}]}), json!({"leads": NAME})];
    for list in lists {
        api.any("POST", "/v1/lists", "application/json", &list.to_string()).await;
    }
    let broken = format!("{{\"phone\": \"{phone}\", \"name\": \"{NAME}\" oops");
    api.refused("POST", "/v1/leads", "application/json", &broken).await;
    api.refused("POST", "/v1/leads", "text/plain", &lead(phone).to_string()).await;
    for source in [
        flow().replace("max_duration: 60s", &format!("max_duration: {NOTE}")),
        flow().replace("system: ", "system: {{#if "),
        flow().replace("greeting: ", "greeting: {{broken "),
        format!("{}: [", flow()),
        flow().replace("velvet}", &format!("{NOTE}: 1}}")),
    ] {
        api.any("POST", "/v1/flows", "application/yaml", &source).await;
    }
    let hook = json!({"url": format!("http://u:{STRANGE_KEY}@10.0.0.1/"), "events": [NOTE]});
    api.refused("POST", "/v1/webhook-endpoints", "application/json", &hook.to_string()).await;
    let key = json!({"name": NAME.repeat(20), "scopes": [NOTE], "mode": NOTE, "expires_at": NOTE, "allowed_cidrs": [NOTE]});
    api.refused("POST", "/v1/api-keys", "application/json", &key.to_string()).await;
    let number = phone.trim_start_matches('+');
    for path in [
        format!("/v1/leads/%2B{number}"),
        format!("/v1/calls/{number}"),
        format!("/v1/calls?limit=%2B{number}"),
        format!("/v1/nothing/%2B{number}?name={number}"),
    ] {
        api.any("GET", &path, "", "").await;
    }
    api.with_key(STRANGE_KEY, "/v1/calls").await;
    api.with_key(phone, "/v1/calls").await;
}
