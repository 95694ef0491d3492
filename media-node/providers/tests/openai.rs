//! The OpenAI-compatible adapter against a server that streams by script.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Server, serve, soon};
use talkif_call_engine::io::{LlmRequest, Message};
use talkif_providers::openai::{OpenAi, OpenAiConfig, Timeouts};
use talkif_providers::{LlmEvent, LlmProvider, LlmSettings, LlmStream, TokenUsage};
use tokio::sync::mpsc;

type Answer = fn(usize) -> Response;

async fn server(answer: Answer) -> (Server, mpsc::UnboundedReceiver<Value>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let (seen, at_server) = mpsc::unbounded_channel();
    let handler = move |headers: HeaderMap, body: Bytes| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        let mut request: Value = serde_json::from_slice(&body).unwrap();
        request["authorization"] = json!(headers["authorization"].to_str().unwrap());
        let _ = seen.send(request);
        async move { answer(number) }
    };
    let router = Router::new().route("/openai/v1/chat/completions", post(handler));
    (serve(router, requests).await, at_server)
}

fn ask(server: &Server) -> LlmStream {
    let short = Duration::from_millis(300);
    let timeouts = Timeouts {
        connect: short,
        first_token: Duration::from_millis(600),
        stall: short,
        retry_pause: Duration::from_millis(10),
    };
    let url = Some(format!("http://{}/openai/v1", server.address));
    let provider = OpenAi::new(&OpenAiConfig { api_key: "key".into(), url, timeouts }).unwrap();
    let request = LlmRequest { messages: vec![Message::User { text: "Hi".into() }], tools: vec![] };
    provider.start(request, LlmSettings { model: None, temperature: Some(0.2), max_tokens: 50 })
}

async fn all(mut answer: LlmStream) -> Vec<LlmEvent> {
    let mut events = Vec::new();
    while let Some(event) = soon(answer.next()).await {
        events.push(event);
    }
    events
}

fn text(content: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": content}}]}))
}

fn finish(reason: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

const END: &str = "data: [DONE]\n\n";

fn sse(pieces: Vec<String>) -> Response {
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
    ([("content-type", "text/event-stream")], body).into_response()
}

/// Sends the pieces and then nothing, with the connection open.
fn stalling(pieces: Vec<String>) -> Response {
    let sent = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
    let body = Body::from_stream(sent.chain(stream::pending()));
    ([("content-type", "text/event-stream")], body).into_response()
}

fn failed(events: &[LlmEvent]) -> &str {
    match events.last() {
        Some(LlmEvent::Failed { detail }) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_comes_as_it_is_written_and_the_bill_at_the_end() {
    let (server, mut at_server) = server(|_| {
        let bill = json!({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}});
        sse(vec![text("Good "), text("morning."), finish("stop"), format!("data: {bill}\n\n"), END.into()])
    })
    .await;
    let events = all(ask(&server)).await;
    let usage = TokenUsage { prompt: 12, completion: 3 };
    let delta = |text: &str| LlmEvent::Delta(text.into());
    assert_eq!(events, [delta("Good "), delta("morning."), LlmEvent::Done { usage }]);
    let request = at_server.recv().await.unwrap();
    assert_eq!(request["authorization"], "Bearer key");
    assert_eq!(request["stream"], true);
    assert_eq!(request["messages"], json!([{"role": "user", "content": "Hi"}]));
}

#[tokio::test]
async fn a_byte_order_mark_before_the_answer_is_skipped() {
    let (server, _) =
        server(|_| sse(vec!["\u{feff}".into(), text("Yes."), finish("stop"), END.into()])).await;
    let events = all(ask(&server)).await;
    assert_eq!(events[0], LlmEvent::Delta("Yes.".into()));
    assert!(matches!(events[1], LlmEvent::Done { .. }), "{events:?}");
}

#[tokio::test]
async fn a_tool_call_split_over_pieces_and_packets_is_put_together() {
    let (server, _) = server(|_| {
        let piece = |call: Value| format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
        let whole = [
            piece(json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "save_slot", "arguments": ""}})),
            piece(json!({"index": 0, "function": {"arguments": "{\"name\":"}})),
            piece(json!({"index": 0, "function": {"arguments": "\"city\"}"}})),
            finish("tool_calls"),
            END.into(),
        ]
        .concat();
        // Cut anywhere, also inside a line: packets know nothing of events.
        sse(whole.as_bytes().chunks(7).map(|part| String::from_utf8_lossy(part).into_owned()).collect())
    })
    .await;
    let events = all(ask(&server)).await;
    let call = LlmEvent::ToolCall {
        id: "c1".into(),
        name: "save_slot".into(),
        arguments: r#"{"name":"city"}"#.into(),
    };
    assert_eq!(events[0], call);
    assert!(matches!(events[1], LlmEvent::Done { .. }));
}

#[tokio::test]
async fn a_429_before_the_first_word_is_asked_once_more() {
    let (server, _) = server(|number| match number {
        0 => (StatusCode::TOO_MANY_REQUESTS, r#"{"error":{"message":"slow down"}}"#).into_response(),
        _ => sse(vec![text("Yes."), finish("stop"), END.into()]),
    })
    .await;
    let events = all(ask(&server)).await;
    assert_eq!(events[0], LlmEvent::Delta("Yes.".into()));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_second_429_is_a_failure() {
    let (server, _) =
        server(|_| (StatusCode::TOO_MANY_REQUESTS, r#"{"error":{"message":"slow down"}}"#).into_response())
            .await;
    assert_eq!(failed(&all(ask(&server)).await), "status 429");
    assert_eq!(server.connections(), 2, "one retry and no more");
}

#[tokio::test]
async fn a_refused_key_is_not_asked_again() {
    let (server, _) =
        server(|_| (StatusCode::UNAUTHORIZED, r#"{"error":{"message":"bad key"}}"#).into_response()).await;
    assert_eq!(failed(&all(ask(&server)).await), "status 401");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stall_after_the_first_word_is_a_failure_without_a_retry() {
    let (server, _) = server(|_| stalling(vec![text("I")])).await;
    let events = all(ask(&server)).await;
    assert_eq!(events[0], LlmEvent::Delta("I".into()));
    assert_eq!(failed(&events), "the answer stalled");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_first_word_in_time_is_a_failure() {
    let (server, _) = server(|_| stalling(vec![])).await;
    assert_eq!(failed(&all(ask(&server)).await), "no first token in time");
}

#[tokio::test]
async fn a_service_that_never_says_done_does_not_hold_up_the_turn() {
    let (server, _) = server(|_| stalling(vec![text("Yes."), finish("stop")])).await;
    let events = all(ask(&server)).await;
    assert!(matches!(events[1], LlmEvent::Done { .. }), "{events:?}");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_has_failed() {
    let (server, _) = server(|_| sse(vec![text("I"), text(" am")])).await;
    assert_eq!(failed(&all(ask(&server)).await), "the answer was cut off");
}

#[tokio::test]
async fn garbage_between_pieces_is_skipped_and_an_error_in_the_stream_ends_it() {
    let (server, _) = server(|number| match number {
        0 => sse(vec![text("A"), "data: }{\n\n".into(), text("B"), finish("stop"), END.into()]),
        _ => sse(vec![
            text("A"),
            "data: {\"error\":{\"type\":\"overloaded\",\"message\":\"secret\"}}\n\n".into(),
        ]),
    })
    .await;
    let events = all(ask(&server)).await;
    assert_eq!(events[..2], [LlmEvent::Delta("A".into()), LlmEvent::Delta("B".into())]);
    assert_eq!(failed(&all(ask(&server)).await), "error in the stream: overloaded");
}

#[tokio::test]
async fn dropping_the_answer_closes_the_vendors_stream() {
    struct Told(mpsc::UnboundedSender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (told, mut closed) = mpsc::unbounded_channel();
    let handler = move || {
        let guard = Told(told.clone());
        async move {
            let first = stream::iter([Ok::<_, Infallible>(text("One"))]);
            let rest = stream::once(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
                Ok(String::new())
            });
            ([("content-type", "text/event-stream")], Body::from_stream(first.chain(rest))).into_response()
        }
    };
    let router = Router::new().route("/openai/v1/chat/completions", post(handler));
    let server = serve(router, Arc::default()).await;
    let mut answer = ask(&server);
    assert_eq!(soon(answer.next()).await, Some(LlmEvent::Delta("One".into())));
    drop(answer);
    assert_eq!(soon(closed.recv()).await, Some(()));
}
