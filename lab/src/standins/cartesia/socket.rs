//! One connection: many contexts, each in its own task.

use super::super::{Vendor, Vendors};
use super::context::{Context, Piece, Sent};
use super::request::{Generate, Message, Settings};
use super::wire;
use axum::extract::ws::{self, WebSocket};
use futures::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Messages that may wait for a slow client before synthesis waits too.
const QUEUED: usize = 64;

pub(super) async fn serve(socket: WebSocket, vendors: Arc<Vendors>) {
    let (mut sink, mut stream) = socket.split();
    let (out, mut outgoing) = mpsc::channel(QUEUED);
    let mut contexts = Contexts { vendors, out, open: HashMap::new() };
    loop {
        let frame = tokio::select! {
            Some(sent) = outgoing.recv() => match sent {
                Sent::Json(message) => ws::Message::Text(message.to_string().into()),
                Sent::Garbage => ws::Message::Text("{\"type\":\"chunk\",\"data\":\"####".into()),
                Sent::Drop => return,
            },
            message = stream.next() => match message {
                Some(Ok(ws::Message::Text(text))) => match contexts.take(&text) {
                    Some(answer) => ws::Message::Text(answer.to_string().into()),
                    None => continue,
                },
                Some(Ok(ws::Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        if sink.send(frame).await.is_err() {
            return;
        }
    }
}

struct Contexts {
    vendors: Arc<Vendors>,
    out: mpsc::Sender<Sent>,
    open: HashMap<String, Open>,
}

struct Open {
    settings: Settings,
    pieces: mpsc::UnboundedSender<Piece>,
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Contexts {
    /// Takes a message; returns what is answered at once.
    fn take(&mut self, text: &str) -> Option<serde_json::Value> {
        self.open.retain(|_, open| !open.task.is_finished());
        match Message::parse(text) {
            Ok(Message::Generate(generate)) => self.generate(generate),
            Ok(Message::Cancel { context_id }) => {
                let cancelled = self.open.remove(&context_id);
                cancelled.map(|_| wire::done(Some(&context_id)))
            }
            Err(malformed) => Some(wire::malformed(&malformed)),
        }
    }

    fn generate(&mut self, generate: Generate) -> Option<serde_json::Value> {
        let id = generate.context_id.clone();
        let key = id.clone().unwrap_or_else(super::super::request_id);
        let Self { vendors, out, open } = self;
        let opened = open.entry(key).or_insert_with(|| start(vendors, out, id.clone(), &generate.settings));
        if opened.settings != generate.settings {
            let why = "all inputs of a context must have the same settings";
            return Some(wire::error(id.as_deref(), 400, "context_mismatch", why));
        }
        let flush = generate.flush.then_some(Piece::Flush);
        let end = (!generate.goes_on).then_some(Piece::End);
        let text = Piece::Text { text: generate.transcript, whole: generate.unbuffered };
        for piece in [Some(text), flush, end].into_iter().flatten() {
            // A context that has ended in the meantime needs no more text.
            let _ = opened.pieces.send(piece);
        }
        None
    }
}

fn start(vendors: &Arc<Vendors>, out: &mpsc::Sender<Sent>, id: Option<String>, settings: &Settings) -> Open {
    let (pieces, receiver) = mpsc::unbounded_channel();
    let context = Context {
        id,
        settings: settings.clone(),
        fault: vendors.faults.strike(Vendor::Cartesia),
        vendors: Arc::clone(vendors),
        out: out.clone(),
    };
    Open { settings: settings.clone(), pieces, task: tokio::spawn(context.run(receiver)) }
}
