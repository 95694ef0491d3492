//! One listening connection.

use super::super::{Fault, FaultKind, Vendors, now_rfc3339};
use super::listening::Listening;
use super::recogniser::{Recogniser, Told};
use super::wire::{self, Control};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// The vendor closes a connection that sends neither audio nor KeepAlive for so long.
const IDLE: Duration = Duration::from_secs(10);

pub(super) async fn serve(
    socket: WebSocket,
    vendors: Arc<Vendors>,
    listening: Listening,
    fault: Option<Fault>,
    request_id: String,
) {
    let Ok(recogniser) = Recogniser::new(listening.clone()) else { return };
    let (sink, stream) = socket.split();
    let created = now_rfc3339();
    let connection = Connection {
        sink,
        recogniser,
        vendors,
        listening,
        fault,
        request_id,
        created,
        queue: VecDeque::new(),
    };
    connection.run(stream).await;
}

struct Connection {
    sink: SplitSink<WebSocket, Message>,
    recogniser: Recogniser,
    vendors: Arc<Vendors>,
    listening: Listening,
    fault: Option<Fault>,
    request_id: String,
    created: String,
    /// What is still to be sent and when; in order, because a late message delays all after it.
    queue: VecDeque<(Instant, Value)>,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Listen,
    Close(Option<CloseFrame>),
}

impl Connection {
    async fn run(mut self, mut stream: SplitStream<WebSocket>) {
        loop {
            let due = self.queue.front().map(|(at, _)| *at);
            let next = tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.send_next().await,
                message = timeout(IDLE, stream.next()) => match message {
                    Ok(Some(Ok(message))) => self.take(message),
                    Ok(_) => return,
                    Err(_) => Next::Close(Some(idle())),
                },
            };
            if let Next::Close(frame) = next {
                return self.close(frame).await;
            }
        }
    }

    fn take(&mut self, message: Message) -> Next {
        match message {
            Message::Binary(audio) if audio.is_empty() => self.end(),
            Message::Binary(audio) => {
                let samples = self.listening.samples(&audio);
                let told = self.recogniser.push(&samples);
                self.tell(&told);
                Next::Listen
            }
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(Control::KeepAlive) => Next::Listen,
                Ok(Control::Finalize) => {
                    let told = self.recogniser.finalize();
                    self.tell(&[told]);
                    Next::Listen
                }
                Ok(Control::CloseStream) => self.end(),
                Err(_) => Next::Close(Some(unreadable())),
            },
            Message::Close(_) => Next::Close(None),
            Message::Ping(_) | Message::Pong(_) => Next::Listen,
        }
    }

    fn tell(&mut self, told: &[Told]) {
        for told in told {
            let json = wire::message(told, &self.listening, &self.request_id);
            self.enqueue(json);
        }
    }

    fn enqueue(&mut self, message: Value) {
        let fault = self.fault.as_ref().filter(|fault| fault.kind == FaultKind::Delay);
        let late = Duration::from_millis(fault.map_or(0, |fault| fault.delay_ms));
        let at = Instant::now() + self.vendors.delays.stt_final() + late;
        let at = self.queue.back().map_or(at, |(last, _)| at.max(*last));
        self.queue.push_back((at, message));
    }

    /// The client wants no more: the rest, a summary, the end.
    fn end(&mut self) -> Next {
        if let Some(told) = self.recogniser.close() {
            self.tell(&[told]);
        }
        let (id, duration) = (&self.request_id, self.recogniser.now_ms());
        let summary = wire::metadata(id, &self.created, duration, &self.listening);
        self.enqueue(summary);
        Next::Close(Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }))
    }

    async fn send_next(&mut self) -> Next {
        let Some((_, message)) = self.queue.pop_front() else { return Next::Listen };
        match self.fault.as_ref().map(|fault| fault.kind) {
            Some(FaultKind::Stall) => return Next::Listen,
            Some(FaultKind::Drop) if has_words(&message) => {
                self.queue.clear();
                return Next::Close(Some(broken()));
            }
            Some(FaultKind::Garbage) if has_words(&message) => {
                self.fault = None;
                let _ = self.sink.send(Message::Text("{\"type\":\"Results\",\"chan".into())).await;
            }
            _ => {}
        }
        match self.sink.send(Message::Text(message.to_string().into())).await {
            Ok(()) => Next::Listen,
            Err(_) => Next::Close(None),
        }
    }

    async fn close(mut self, frame: Option<CloseFrame>) {
        while let Some((at, _)) = self.queue.front() {
            sleep_until(*at).await;
            if self.send_next().await != Next::Listen {
                break;
            }
        }
        let _ = self.sink.send(Message::Close(frame)).await;
    }
}

fn has_words(message: &Value) -> bool {
    message["channel"]["alternatives"][0]["words"].as_array().is_some_and(|words| !words.is_empty())
}

fn idle() -> CloseFrame {
    CloseFrame { code: 1011, reason: "NET-0001: no audio within the timeout window".into() }
}

fn broken() -> CloseFrame {
    CloseFrame { code: 1011, reason: "NET-0000: internal error".into() }
}

fn unreadable() -> CloseFrame {
    let reason = json!({ "type": "Error", "description": "unreadable control message" }).to_string();
    CloseFrame { code: 1008, reason: reason.into() }
}
