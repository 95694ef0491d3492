//! The stand-ins from outside, through raw clients.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use base64::Engine;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use support::{PATIENCE, lab, put};
use talkif_lab::Lab;
use talkif_lab::speech::{Decoder, Voice, encode_text};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(lab: &Lab, path: &str, authorization: Option<&str>) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{path}", lab.http()).into_client_request().unwrap();
    if let Some(value) = authorization {
        request.headers_mut().insert("authorization", value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The next JSON message; `None` when the connection is over.
async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("nothing comes") {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap_or(Value::Null)),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

async fn send(socket: &mut Socket, message: Value) {
    socket.send(Message::Text(message.to_string().into())).await.unwrap();
}

const LISTEN: &str = "/deepgram/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000\
    &interim_results=true&endpointing=300&utterance_end_ms=1000&vad_events=true&smart_format=true";

async fn speak(socket: &mut Socket, text: &str, silence_ms: usize) {
    let words = encode_text(text, 16_000, Voice::Caller);
    let mut samples: Vec<i16> = words.into_iter().flat_map(|word| word.samples).collect();
    samples.resize(samples.len() + 16 * silence_ms, 0);
    for frame in samples.chunks(320) {
        let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        socket.send(Message::Binary(bytes.into())).await.unwrap();
    }
}

#[tokio::test]
async fn deepgram_transcribes_what_it_hears() {
    let lab = lab(None).await;
    assert_eq!(connect(&lab, LISTEN, None).await.unwrap_err(), 401);
    assert_eq!(connect(&lab, LISTEN, Some("Token wrong")).await.unwrap_err(), 401);
    let bare = "/deepgram/v1/listen?encoding=linear16";
    assert_eq!(connect(&lab, bare, Some("Token secret")).await.unwrap_err(), 400);

    let mut socket = connect(&lab, LISTEN, Some("Token secret")).await.unwrap();
    send(&mut socket, json!({ "type": "KeepAlive" })).await;
    speak(&mut socket, "Merhaba, görüşelim.", 1_400).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "SpeechStarted");
    let interim = next(&mut socket).await.unwrap();
    assert_eq!((&interim["is_final"], &interim["type"]), (&json!(false), &json!("Results")));
    assert_eq!(interim["channel"]["alternatives"][0]["transcript"], "Merhaba,");
    let last = loop {
        let message = next(&mut socket).await.unwrap();
        if message["is_final"] == true {
            break message;
        }
    };
    assert_eq!(last["speech_final"], true);
    let best = &last["channel"]["alternatives"][0];
    assert_eq!(best["transcript"], "Merhaba, görüşelim.");
    assert_eq!(best["words"][1]["word"], "görüşelim");
    assert_eq!(best["words"][1]["punctuated_word"], "görüşelim.");
    assert!(best["words"][0]["end"].as_f64() <= best["words"][1]["start"].as_f64());
    assert!(last["metadata"]["request_id"].is_string());
    assert_eq!(next(&mut socket).await.unwrap()["type"], "UtteranceEnd");

    speak(&mut socket, "tamam", 0).await;
    send(&mut socket, json!({ "type": "Finalize" })).await;
    let finalized = loop {
        let message = next(&mut socket).await.unwrap();
        if message["from_finalize"] == true {
            break message;
        }
    };
    assert_eq!(finalized["channel"]["alternatives"][0]["transcript"], "tamam");
    send(&mut socket, json!({ "type": "CloseStream" })).await;
    let metadata = next(&mut socket).await.unwrap();
    assert_eq!((&metadata["type"], &metadata["channels"]), (&json!("Metadata"), &json!(1)));
    assert!(next(&mut socket).await.is_none());
    lab.stop().await;
}

fn chat(stream: bool) -> Value {
    json!({
        "model": "gpt-4.1", "stream": stream, "stream_options": { "include_usage": true },
        "messages": [
            { "role": "system", "content": "You are Talkif." },
            { "role": "assistant", "content": "What budget do you have in mind?" },
            { "role": "user", "content": "Twelve thousand euros." },
        ],
        "tools": [
            { "type": "function", "function": { "name": "save_slot", "parameters":
                { "type": "object", "properties": { "name": { "type": "string", "enum": ["budget"] } } } } },
            { "type": "function", "function": { "name": "book_slot", "parameters": {} } },
        ],
    })
}

async fn complete(lab: &Lab, body: &Value) -> reqwest::Response {
    let url = format!("http://{}/openai/v1/chat/completions", lab.http());
    reqwest::Client::new().post(url).bearer_auth("secret").json(body).send().await.unwrap()
}

#[tokio::test]
async fn openai_answers_whole_and_in_chunks() {
    let lab = lab(None).await;
    let whole: Value = complete(&lab, &chat(false)).await.json().await.unwrap();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"]["name"], "save_slot");
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");

    let response = complete(&lab, &chat(true)).await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let body = response.text().await.unwrap();
    let events: Vec<&str> = body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|e| serde_json::from_str(e).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let said: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(Some(said.as_str()), message["content"].as_str());
    assert_eq!(chunks.last().unwrap()["choices"], json!([]));
    assert!(chunks.last().unwrap()["usage"]["total_tokens"].is_u64());
    lab.stop().await;
}

#[tokio::test]
async fn openai_refuses_strangers_and_nonsense() {
    let lab = lab(None).await;
    let url = format!("http://{}/openai/v1/chat/completions", lab.http());
    let client = reqwest::Client::new();
    let stranger = client.post(&url).bearer_auth("wrong").json(&chat(false)).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    let nonsense = client.post(&url).bearer_auth("secret").body("{").send().await.unwrap();
    assert_eq!(nonsense.status(), 400);
    let body: Value = nonsense.json().await.unwrap();
    assert_eq!(body["error"]["type"], "invalid_request_error");
    lab.stop().await;
}

fn generate(context: &str, text: &str, goes_on: bool) -> Value {
    json!({
        "model_id": "sonic-3", "context_id": context, "transcript": text, "continue": goes_on,
        "voice": { "mode": "id", "id": "voice_warm_tr" }, "language": "en", "add_timestamps": true,
        "output_format": { "container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000 },
    })
}

const SPEAK: &str = "/cartesia/tts/websocket?api_key=secret&cartesia_version=2026-03-01";

fn samples(chunk: &Value) -> Vec<i16> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(chunk["data"].as_str().unwrap()).unwrap();
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[tokio::test]
async fn cartesia_speaks_what_comes_in_pieces() {
    let lab = lab(None).await;
    let (no_key, no_version) = (SPEAK.replace("secret", "wrong"), SPEAK.replace("2026-03-01", ""));
    assert_eq!(connect(&lab, &no_key, None).await.unwrap_err(), 401);
    assert_eq!(connect(&lab, &no_version, None).await.unwrap_err(), 400);

    let mut socket = connect(&lab, SPEAK, None).await.unwrap();
    send(&mut socket, generate("a", "Hello, wor", true)).await;
    send(&mut socket, generate("a", "ld. Goodbye", true)).await;
    send(&mut socket, generate("a", "", false)).await;
    let (mut decoder, mut heard, mut timed, mut total) = (Decoder::new(16_000).unwrap(), vec![], vec![], 0);
    loop {
        let message = next(&mut socket).await.unwrap();
        assert_eq!(message["context_id"], "a");
        match message["type"].as_str().unwrap() {
            "chunk" => {
                let samples = samples(&message);
                total += samples.len();
                heard.extend(decoder.push(&samples));
            }
            "timestamps" => timed.push(message["word_timestamps"].clone()),
            "done" => break assert_eq!(message["done"], true),
            other => panic!("{other}"),
        }
    }
    let words: Vec<&str> = heard.iter().map(|word| word.word.as_str()).collect();
    assert_eq!(words, ["Hello,", "world.", "Goodbye"]);
    for (heard, timed) in heard.iter().zip(&timed) {
        assert_eq!(timed["words"][0], heard.word);
        let start = timed["start"][0].as_f64().unwrap();
        assert!((start - heard.start_ms as f64 / 1000.0).abs() < 0.01, "{timed} {heard:?}");
        assert!(timed["end"][0].as_f64().unwrap() <= total as f64 / 16_000.0);
    }
    lab.stop().await;
}

#[tokio::test]
async fn cartesia_cancels_and_names_errors() {
    let lab = lab(None).await;
    let mut socket = connect(&lab, SPEAK, None).await.unwrap();
    send(&mut socket, generate("long", &"and on it goes ".repeat(200), false)).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "timestamps");
    send(&mut socket, json!({ "context_id": "long", "cancel": true })).await;
    let mut audio_ms = 0;
    while let Some(message) = next(&mut socket).await {
        if message["type"] == "done" {
            break;
        }
        audio_ms += message["data"].as_str().map_or(0, |_| samples(&message).len() / 16);
    }
    assert!(audio_ms < 60_000, "{audio_ms} of about 170 000 ms");

    socket.send(Message::Text("{".into())).await.unwrap();
    let malformed = loop {
        let message = next(&mut socket).await.unwrap();
        if message["type"] == "error" {
            break message;
        }
    };
    assert_eq!((&malformed["status_code"], &malformed["done"]), (&json!(400), &json!(true)));
    lab.stop().await;
}

#[tokio::test]
async fn vendors_misbehave_on_order_and_then_behave() {
    let lab = lab(None).await;
    put(
        &lab,
        "/lab/faults",
        json!([
            { "provider": "openai", "kind": "429" },
            { "provider": "openai", "kind": "drop", "after": 1 },
            { "provider": "deepgram", "kind": "500" },
            { "provider": "cartesia", "kind": "500" },
            { "provider": "cartesia", "kind": "drop", "after": 1 },
            { "provider": "cartesia", "kind": "stall", "after": 2 },
        ]),
    )
    .await;
    assert_eq!(complete(&lab, &chat(true)).await.status(), 429);
    assert!(complete(&lab, &chat(true)).await.text().await.is_err(), "the stream breaks");
    assert!(complete(&lab, &chat(true)).await.text().await.unwrap().contains("[DONE]"));

    assert_eq!(connect(&lab, LISTEN, Some("Token secret")).await.unwrap_err(), 500);
    assert!(connect(&lab, LISTEN, Some("Token secret")).await.is_ok());

    let mut socket = connect(&lab, SPEAK, None).await.unwrap();
    send(&mut socket, generate("a", "Hello.", false)).await;
    assert_eq!(next(&mut socket).await.unwrap()["status_code"], 500);
    send(&mut socket, generate("b", "Hello.", false)).await;
    assert_eq!(next(&mut socket).await.unwrap()["type"], "timestamps");
    while next(&mut socket).await.is_some() {}
    let mut socket = connect(&lab, SPEAK, None).await.unwrap();
    send(&mut socket, generate("c", "Hello.", false)).await;
    assert!(timeout(Duration::from_millis(300), socket.next()).await.is_err(), "stalled");
    send(&mut socket, generate("d", "Hello.", false)).await;
    assert_eq!(next(&mut socket).await.unwrap()["context_id"], "d");
    lab.stop().await;
}
