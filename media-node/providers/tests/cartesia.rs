//! The Cartesia adapter against a server that speaks its protocol.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use axum::extract::ws::{Message, WebSocket};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use support::{Server, next_message, send, soon, websocket_server};
use talkif_call_engine::io::{Generation, Word};
use talkif_providers::cartesia::{Cartesia, CartesiaConfig, Timeouts};
use talkif_providers::{ProviderError, TtsCommand, TtsEvent, TtsProvider, TtsSettings, TtsStream};
use tokio::sync::mpsc;

const ONE: Generation = Generation(1);
const TWO: Generation = Generation(2);

fn provider(server: &Server) -> Cartesia {
    let pause = Duration::from_millis(10);
    Cartesia::new(CartesiaConfig {
        api_key: "key".into(),
        url: Some(format!("ws://{}/cartesia", server.address)),
        timeouts: Timeouts {
            connect: Duration::from_secs(1),
            stall: Duration::from_millis(300),
            reconnect_pauses: [pause, pause],
        },
    })
}

fn settings() -> TtsSettings {
    TtsSettings { voice: None, model: None, language: "en".into(), sample_rate: 8_000 }
}

async fn open(server: &Server) -> TtsStream {
    soon(provider(server).open(settings())).await.unwrap()
}

fn speak(stream: &TtsStream, generation: Generation, text: &str) {
    stream.send(TtsCommand::Speak { generation, text: text.into() }).unwrap();
}

async fn request(socket: &mut WebSocket) -> Option<Value> {
    let message = next_message(socket).await?;
    Some(serde_json::from_str(message.to_text().unwrap()).unwrap())
}

fn chunk(context: &Value, samples: &[i16]) -> Value {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    json!({"type": "chunk", "context_id": context, "data": STANDARD.encode(bytes), "done": false, "status_code": 206})
}

fn done(context: &Value) -> Value {
    json!({"type": "done", "context_id": context, "done": true, "status_code": 200})
}

/// Answers every text with one sample per letter, and the last one with `done`.
async fn obey(mut socket: WebSocket) {
    while let Some(request) = request(&mut socket).await {
        let context = &request["context_id"];
        if request["continue"] == false {
            send(&mut socket, done(context)).await;
        } else if let Some(text) = request["transcript"].as_str() {
            send(&mut socket, chunk(context, &vec![9; text.len()])).await;
        }
    }
}

fn audio(generation: Generation, samples: usize) -> TtsEvent {
    TtsEvent::Audio { generation, pcm: vec![9; samples] }
}

#[tokio::test]
async fn an_utterance_is_spoken_piece_by_piece() {
    let server = websocket_server(|_, _, socket| obey(socket)).await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Good");
    speak(&stream, ONE, "day.");
    stream.send(TtsCommand::Finish { generation: ONE }).unwrap();
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 5)), "a space joins the pieces");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 5)));
    assert_eq!(soon(stream.events.recv()).await, Some(TtsEvent::Done { generation: ONE }));
}

#[tokio::test]
async fn word_times_are_passed_on() {
    let server = websocket_server(|_, _, mut socket| async move {
        let request = request(&mut socket).await.unwrap();
        let times = json!({"words": ["Good", "day."], "start": [0.0, 0.3], "end": [0.25, 0.6]});
        send(
            &mut socket,
            json!({"type": "timestamps", "context_id": request["context_id"], "word_timestamps": times}),
        )
        .await;
        obey(socket).await;
    })
    .await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Good day.");
    let word = |text: &str, start_ms, end_ms| Word { text: text.into(), start_ms, end_ms };
    let words = vec![word("Good", 0, 250), word("day.", 300, 600)];
    assert_eq!(soon(stream.events.recv()).await, Some(TtsEvent::Words { generation: ONE, words }));
}

#[tokio::test]
async fn a_cancelled_utterance_is_cancelled_there_and_silent_here() {
    let (told, mut at_server) = mpsc::unbounded_channel();
    let server = websocket_server(move |_, _, mut socket| {
        let told = told.clone();
        async move {
            let first = request(&mut socket).await.unwrap();
            let context = first["context_id"].clone();
            send(&mut socket, chunk(&context, &[9])).await;
            let cancel = request(&mut socket).await.unwrap();
            told.send((context.clone(), cancel)).unwrap();
            // Audio that was on its way already.
            send(&mut socket, chunk(&context, &[8])).await;
            send(&mut socket, done(&context)).await;
            obey(socket).await;
        }
    })
    .await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Hello");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 1)));
    stream.send(TtsCommand::Cancel { generation: ONE }).unwrap();
    let (context, cancel) = soon(at_server.recv()).await.unwrap();
    assert_eq!(cancel, json!({"context_id": context, "cancel": true}));
    speak(&stream, TWO, "Bye");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(TWO, 4)), "nothing of the first one in between");
}

#[tokio::test]
async fn an_unheard_utterance_is_asked_again_on_a_new_connection() {
    let server = websocket_server(|number, _, mut socket| async move {
        match number {
            // Takes the text and is gone.
            0 => drop(request(&mut socket).await),
            _ => obey(socket).await,
        }
    })
    .await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Hello");
    stream.send(TtsCommand::Finish { generation: ONE }).unwrap();
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 6)));
    assert_eq!(soon(stream.events.recv()).await, Some(TtsEvent::Done { generation: ONE }));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_utterance_cut_off_in_the_middle_fails_and_the_next_one_speaks() {
    let server = websocket_server(|number, _, mut socket| async move {
        if number == 0 {
            let request = request(&mut socket).await.unwrap();
            send(&mut socket, chunk(&request["context_id"], &[9])).await;
        } else {
            obey(socket).await;
        }
    })
    .await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Hello");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 1)));
    assert!(matches!(soon(stream.events.recv()).await, Some(TtsEvent::Failed { generation: ONE, .. })));
    speak(&stream, TWO, "Again");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(TWO, 6)));
}

#[tokio::test]
async fn an_error_fails_its_own_utterance_only() {
    let server = websocket_server(|_, _, mut socket| async move {
        let request = request(&mut socket).await.unwrap();
        let error = json!({"type": "error", "context_id": request["context_id"], "status_code": 429,
            "message": "Hello is too much", "done": true});
        send(&mut socket, error).await;
        obey(socket).await;
    })
    .await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Hello");
    let failed = TtsEvent::Failed { generation: ONE, detail: "refused with status 429".into() };
    assert_eq!(soon(stream.events.recv()).await, Some(failed));
    speak(&stream, TWO, "Bye");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(TWO, 4)));
}

#[tokio::test]
async fn a_voice_that_stalls_fails_the_utterance() {
    let server =
        websocket_server(
            |_, _, mut socket| async move { while next_message(&mut socket).await.is_some() {} },
        )
        .await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "Hello");
    let failed = TtsEvent::Failed { generation: ONE, detail: "no audio in time".into() };
    assert_eq!(soon(stream.events.recv()).await, Some(failed));
}

#[tokio::test]
async fn a_pause_of_the_model_is_not_a_stall_of_the_voice() {
    let server = websocket_server(|_, _, socket| obey(socket)).await;
    let mut stream = open(&server).await;
    speak(&stream, ONE, "One");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 4)));
    tokio::time::sleep(Duration::from_millis(450)).await;
    speak(&stream, ONE, "two");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 4)));
}

#[tokio::test]
async fn garbage_is_skipped_and_too_much_of_it_means_a_new_connection() {
    let server = websocket_server(|number, _, mut socket| async move {
        let lines = if number == 0 { 20 } else { 3 };
        for _ in 0..lines {
            let _ = socket.send(Message::text("}{")).await;
        }
        obey(socket).await;
    })
    .await;
    let mut stream = open(&server).await;
    while server.connections() < 2 {
        soon(tokio::time::sleep(Duration::from_millis(5))).await;
    }
    speak(&stream, ONE, "Hi");
    assert_eq!(soon(stream.events.recv()).await, Some(audio(ONE, 3)));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_refusal_names_the_status() {
    let refuse = axum::Router::new().fallback(|| async { axum::http::StatusCode::PAYMENT_REQUIRED });
    let server = support::serve(refuse, std::sync::Arc::default()).await;
    let error = soon(provider(&server).open(settings())).await.unwrap_err();
    assert_eq!(error, ProviderError::Refused { vendor: "cartesia", status: 402 });
}
