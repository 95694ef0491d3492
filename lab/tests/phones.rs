//! Phones from outside: SIP, RTP and the log.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serde_json::json;
use std::time::Duration;
use support::{Caller, lab, put, until};
use talkif_lab::phones::{CallResult, Side};
use talkif_media::g711::Law;

const NUMBER: &str = "+905320004218";

#[tokio::test]
async fn a_phone_hears_words_and_answers_in_both_laws() {
    let lab = lab(None).await;
    for law in [Law::A, Law::Mu] {
        let caller = Caller::new().await;
        let mut talk = caller.dial(&lab, NUMBER, law, None).await.answered().await;
        talk.hear(|word| word == "Hello?").await;
        talk.say("Hi, this is Talkif. What budget do you have in mind?").await;
        talk.hear(|word| word == "euros.").await;
        assert_eq!(talk.heard.join(" "), "Hello? About twelve thousand euros.");
        talk.dialog.bye().await.unwrap();
        let record = until(&lab, |record| record.ended_at.is_some()).await;
        assert_eq!(record.heard_text, "Hi, this is Talkif. What budget do you have in mind?");
        assert_eq!(record.said[1].text, "About twelve thousand euros.");
        assert!(record.said[1].start_ms >= record.heard.last().unwrap().end_ms);
        assert_eq!((record.result, record.hung_up_by), (CallResult::Answered, Some(Side::Product)));
        assert_eq!((record.number.as_str(), record.from.as_str()), (NUMBER, "+15550100"));
        assert!(record.ringing_at >= Some(record.invited_at) && record.answered_at > record.ringing_at);
        assert_eq!(record.packets.lost, 0);
    }
    lab.stop().await;
}

#[tokio::test]
async fn only_the_trunks_credentials_get_through() {
    let lab = lab(Some(("trunk", "right"))).await;
    let caller = Caller::new().await;
    assert_eq!(caller.dial(&lab, NUMBER, Law::A, None).await.status().await, 407);
    assert!(lab.calls().is_empty(), "a challenge is no call");
    assert_eq!(caller.dial(&lab, NUMBER, Law::A, Some("wrong")).await.status().await, 407);
    assert_eq!(lab.calls()[0].result, CallResult::Unauthorized);
    let mut talk = caller.dial(&lab, NUMBER, Law::A, Some("right")).await.answered().await;
    talk.hear(|word| word == "Hello?").await;
    lab.stop().await;
}

#[tokio::test]
async fn busy_and_unanswered_phones_say_so() {
    let lab = lab(None).await;
    let caller = Caller::new().await;
    put(&lab, "/lab/phones/%2B15550001", json!({ "persona": "busy" })).await;
    put(&lab, "/lab/phones/15550002", json!({ "persona": "no-answer" })).await;
    assert_eq!(caller.dial(&lab, "+15550001", Law::A, None).await.status().await, 486);
    let ringing = caller.dial(&lab, "+15550002", Law::A, None).await;
    until(&lab, |record| record.ringing_at.is_some()).await;
    ringing.dialog.cancel().await.unwrap();
    assert_eq!(ringing.status().await, 487);
    let record = until(&lab, |record| record.ended_at.is_some()).await;
    assert_eq!((record.result, record.answered_at), (CallResult::Canceled, None));
    lab.stop().await;
}

#[tokio::test]
async fn who_hangs_up_hangs_up_and_who_presses_keys_presses_them() {
    let lab = lab(None).await;
    let caller = Caller::new().await;
    put(&lab, "/lab/phones/1", json!({ "persona": "hangs-up" })).await;
    put(&lab, "/lab/phones/2", json!({ "persona": "dtmf" })).await;
    let mut talk = caller.dial(&lab, "1", Law::Mu, None).await.answered().await;
    talk.hear(|word| word == "Hello?").await;
    talk.say("Hi, this is Talkif calling you about the details you left.").await;
    talk.hung_up().await;
    let record = until(&lab, |record| record.ended_at.is_some()).await;
    assert_eq!(record.hung_up_by, Some(Side::Phone));
    assert_eq!(record.heard_text, "Hi, this is Talkif calling");

    let mut talk = caller.dial(&lab, "2", Law::Mu, None).await.answered().await;
    talk.hear(|word| word == "Hello?").await;
    talk.say("Please press one.").await;
    talk.listen(Duration::from_millis(1_800)).await;
    assert_eq!(talk.pressed, "12#");
    lab.stop().await;
}

#[tokio::test]
async fn a_machine_greets_and_beeps() {
    let lab = lab(None).await;
    let caller = Caller::new().await;
    put(&lab, "/lab/phones/3", json!({ "persona": "voicemail" })).await;
    let mut talk = caller.dial(&lab, "3", Law::A, None).await.answered().await;
    talk.hear(|word| word == "beep.").await;
    assert!(talk.heard.join(" ").starts_with("Hi, you have reached Ece."));
    lab.stop().await;
}

#[tokio::test]
async fn a_lossy_line_is_counted_and_still_understood() {
    let lab = lab(None).await;
    let caller = Caller::new().await;
    put(&lab, "/lab/phones/4", json!({ "persona": "books", "loss": 0.03, "jitter_ms": 15 })).await;
    let mut talk = caller.dial(&lab, "4", Law::A, None).await.answered().await;
    talk.hear(|word| word == "Hello?").await;
    let text = "one two three four five six seven eight nine ten ".repeat(2);
    talk.say(&text).await;
    talk.listen(Duration::from_millis(300)).await;
    talk.dialog.bye().await.unwrap();
    let record = until(&lab, |record| record.ended_at.is_some()).await;
    let said: Vec<&str> = text.split_whitespace().collect();
    let heard: Vec<&str> = record.heard_text.split_whitespace().collect();
    assert!(heard.len() + 2 >= said.len(), "{heard:?}");
    assert!(heard.iter().all(|word| said.contains(word)), "{heard:?}");
    assert!(record.packets.lost > 0, "{:?}", record.packets);
    lab.stop().await;
}

#[tokio::test]
async fn a_phone_calls_another_lab_and_both_talk() {
    let (product, phones) = (lab(None).await, lab(None).await);
    put(&product, "/lab/phones/908500000000", json!({ "persona": "declines" })).await;
    let body = json!({ "from": NUMBER, "to": "+908500000000", "persona": "books",
        "target": product.sip().to_string() });
    let url = format!("http://{}/lab/calls", phones.http());
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let record = until(&phones, |record| record.heard_text.contains("Hello?")).await;
    assert_eq!((record.caller, record.number.as_str()), (Side::Phone, NUMBER));
    let record = until(&phones, |record| record.said.len() == 1).await;
    assert_eq!(record.said[0].text, "Yes.", "a greeting is a question");
    until(&phones, |record| record.heard_text.contains("not interested.")).await;
    let log = reqwest::get(format!("http://{}/lab/log", phones.http())).await.unwrap();
    let log: serde_json::Value = log.json().await.unwrap();
    assert_eq!(log[0]["result"], "answered");
    product.stop().await;
    phones.stop().await;
}
