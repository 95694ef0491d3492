//! An answer as server-sent events.

use super::super::{FaultKind, Vendors};
use super::response::Completion;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

const BEFORE_DROP: Duration = Duration::from_millis(20);

pub(super) fn respond(completion: Completion, vendors: Arc<Vendors>, fault: Option<FaultKind>) -> Response {
    if fault == Some(FaultKind::Stall) {
        return Sse::new(stream::pending::<io::Result<Event>>()).into_response();
    }
    Sse::new(paced(events(&completion, fault), vendors)).into_response()
}

/// What is sent, in order; an error breaks the connection.
fn events(completion: &Completion, fault: Option<FaultKind>) -> Vec<io::Result<Event>> {
    let chunks = completion.chunks().into_iter().map(|chunk| Ok(Event::default().data(chunk.to_string())));
    let mut events: Vec<io::Result<Event>> = chunks.collect();
    events.push(Ok(Event::default().data("[DONE]")));
    match fault {
        Some(FaultKind::Garbage) => events.insert(1, Ok(Event::default().data("{\"id\":\"chatcmpl-"))),
        Some(FaultKind::Drop) => {
            events.truncate(2);
            events.push(Err(io::Error::other("dropped on order")));
        }
        _ => {}
    }
    events
}

fn paced(events: Vec<io::Result<Event>>, vendors: Arc<Vendors>) -> impl Stream<Item = io::Result<Event>> {
    stream::iter(events.into_iter().enumerate()).then(move |(index, event)| {
        let delays = &vendors.delays;
        let pause = match event {
            // What came before must be on the wire when the connection breaks.
            Err(_) => BEFORE_DROP,
            Ok(_) if index == 0 => delays.llm_first_token(),
            Ok(_) => delays.llm_token(),
        };
        async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            event
        }
    })
}
