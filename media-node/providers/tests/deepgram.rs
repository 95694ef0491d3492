//! The Deepgram adapter against a server that speaks its protocol.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};
use support::{Server, next_message, send, soon, websocket_server};
use talkif_call_engine::io::Word;
use talkif_providers::deepgram::{DeepgramConfig, DeepgramStt};
use talkif_providers::{ProviderError, SttEvent, SttProvider, SttSettings, SttStream};
use tokio::sync::mpsc;

fn provider(server: &Server) -> DeepgramStt {
    let url = Some(format!("http://{}/deepgram", server.address));
    DeepgramStt::new(&DeepgramConfig { api_key: "key".into(), url }).unwrap()
}

fn settings() -> SttSettings {
    SttSettings { sample_rate: 8_000, language: "en".into(), model: None, keywords: vec![] }
}

async fn open(server: &Server) -> SttStream {
    soon(provider(server).open(settings())).await.unwrap()
}

fn results(text: &str, is_final: bool, from_finalize: bool) -> Value {
    let words =
        json!([{"word": "hi", "start": 0.25, "end": 0.5, "confidence": 0.9, "punctuated_word": "Hi."}]);
    json!({
        "type": "Results", "channel_index": [0, 1], "duration": 1.0, "start": 0.0, "is_final": is_final,
        "speech_final": is_final, "from_finalize": from_finalize,
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": words}]},
        "metadata": {"request_id": "r", "model_info": {"name": "m", "version": "1", "arch": "a"}, "model_uuid": "u"},
    })
}

/// Sends the messages, then listens until the client goes.
async fn say(mut socket: WebSocket, messages: Vec<Value>) {
    for message in messages {
        send(&mut socket, message).await;
    }
    while next_message(&mut socket).await.is_some() {}
}

#[tokio::test]
async fn words_come_as_partials_and_finals() {
    let server = websocket_server(|_, _, socket| {
        say(
            socket,
            vec![
                json!({"type": "SpeechStarted", "channel": [0], "timestamp": 0.1}),
                results("", false, false),
                results("hi", false, false),
                results("Hi.", true, false),
                results("", true, false),
                results("", true, true),
                json!({"type": "UtteranceEnd", "channel": [0], "last_word_end": 0.5}),
                json!({"type": "SomethingNew"}),
            ],
        )
    })
    .await;
    let mut stream = open(&server).await;
    assert_eq!(soon(stream.events.recv()).await, Some(SttEvent::SpeechStarted));
    assert_eq!(soon(stream.events.recv()).await, Some(SttEvent::Partial { text: "hi".into() }));
    let word = Word { text: "Hi.".into(), start_ms: 250, end_ms: 500 };
    let last = SttEvent::Final { text: "Hi.".into(), end_of_turn: None, words: vec![word] };
    assert_eq!(soon(stream.events.recv()).await, Some(last));
    let answer = soon(stream.events.recv()).await;
    assert!(matches!(answer, Some(SttEvent::Final { text, .. }) if text.is_empty()), "no more words");
    assert_eq!(soon(stream.events.recv()).await, Some(SttEvent::UtteranceEnd));
}

#[tokio::test]
async fn audio_goes_out_as_little_endian_samples_and_marks_as_messages() {
    let (seen, mut at_server) = mpsc::unbounded_channel();
    let server = websocket_server(move |_, uri, mut socket| {
        let seen = seen.clone();
        async move {
            seen.send(Message::text(uri)).unwrap();
            while let Some(message) = next_message(&mut socket).await {
                let _ = seen.send(message);
            }
        }
    })
    .await;
    let stream = open(&server).await;
    stream.audio.push(&[1, -2]);
    stream.audio.finalize();
    let uri = soon(at_server.recv()).await.unwrap().into_text().unwrap().to_string();
    let expected =
        ["/deepgram/v1/listen?", "encoding=linear16", "sample_rate=8000", "channels=1", "model=nova-3"];
    let flags = ["interim_results=true", "endpointing=300", "utterance_end_ms=1000", "vad_events=true"];
    for part in expected.into_iter().chain(flags) {
        assert!(uri.contains(part), "{part} is not in {uri}");
    }
    assert_eq!(soon(at_server.recv()).await, Some(Message::binary(vec![1, 0, 254, 255])));
    assert_eq!(soon(at_server.recv()).await, Some(Message::text(r#"{"type":"Finalize"}"#)));
    drop(stream);
    assert_eq!(soon(at_server.recv()).await, Some(Message::text(r#"{"type":"CloseStream"}"#)));
}

#[tokio::test]
async fn a_few_unreadable_messages_are_skipped() {
    let server = websocket_server(|_, _, mut socket| async move {
        for _ in 0..3 {
            socket.send(Message::text("}{")).await.unwrap();
        }
        say(socket, vec![results("still here", false, false)]).await;
    })
    .await;
    let mut stream = open(&server).await;
    assert_eq!(soon(stream.events.recv()).await, Some(SttEvent::Partial { text: "still here".into() }));
}

#[tokio::test]
async fn a_server_that_only_sends_garbage_has_failed() {
    let server = websocket_server(|_, _, mut socket| async move {
        while socket.send(Message::text(r#"{"type":"Results"}"#)).await.is_ok() {}
    })
    .await;
    let mut stream = open(&server).await;
    assert!(matches!(soon(stream.events.recv()).await, Some(SttEvent::Failed { .. })));
}

#[tokio::test]
async fn a_lost_connection_is_reported_and_the_next_stream_works() {
    let server = websocket_server(|number, _, socket| async move {
        if number > 0 {
            say(socket, vec![results("back", false, false)]).await;
        }
    })
    .await;
    let mut lost = open(&server).await;
    assert!(matches!(soon(lost.events.recv()).await, Some(SttEvent::Failed { .. })));
    assert_eq!(soon(lost.events.recv()).await, None, "nothing follows a failure");
    let mut again = open(&server).await;
    assert_eq!(soon(again.events.recv()).await, Some(SttEvent::Partial { text: "back".into() }));
}

#[tokio::test]
async fn a_refusal_names_the_status() {
    let refuse = axum::Router::new().fallback(|| async { axum::http::StatusCode::TOO_MANY_REQUESTS });
    let server = support::serve(refuse, std::sync::Arc::default()).await;
    let error = soon(provider(&server).open(settings())).await.unwrap_err();
    assert_eq!(error, ProviderError::Refused { vendor: "deepgram", status: 429 });
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_and_not_a_wait() {
    let url = Some("http://127.0.0.1:1/".into());
    let provider = DeepgramStt::new(&DeepgramConfig { api_key: "key".into(), url }).unwrap();
    assert!(matches!(soon(provider.open(settings())).await, Err(ProviderError::Connection { .. })));
    assert!(
        DeepgramStt::new(&DeepgramConfig { api_key: "key".into(), url: Some("not a url".into()) }).is_err()
    );
}
