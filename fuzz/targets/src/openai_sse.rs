//! A model's streamed answer, as the network happens to cut it.

use crate::bytes::Bytes;
use eventsource_stream::Eventsource;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use std::convert::Infallible;
use talkif_providers::LlmEvent;
use talkif_providers::openai::{Assembler, Chunk, without_mark};

/// `pieces (1 byte) stream`: reads the stream whole, and in pieces of that many bytes.
///
/// # Panics
/// If the cuts of the network change the answer, or a tool runs before the answer is complete.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let piece = usize::from(bytes.byte()).max(1);
    let body = bytes.rest();
    let whole = read(&[body]);
    check(&whole);
    let pieces: Vec<&[u8]> = body.chunks(piece).collect();
    assert_eq!(read(&pieces), whole, "in pieces of {piece}");
}

/// What the answer comes to; unreadable pieces are skipped, as in a call.
fn read(pieces: &[&[u8]]) -> Vec<LlmEvent> {
    let pieces =
        stream::iter(pieces.iter().map(|piece| Ok::<_, Infallible>(bytes::Bytes::copy_from_slice(piece))));
    let mut events = Vec::new();
    let mut assembler = Assembler::default();
    let mut messages = without_mark(pieces).eventsource();
    block_on(async {
        while let Some(Ok(message)) = messages.next().await {
            if message.data == "[DONE]" {
                break;
            }
            if let Ok(chunk) = serde_json::from_str::<Chunk>(&message.data) {
                events.extend(assembler.take(chunk));
            }
        }
    });
    events.push(assembler.end());
    events
}

fn check(events: &[LlmEvent]) {
    let Some((last, before)) = events.split_last() else { panic!("no end") };
    assert!(matches!(last, LlmEvent::Done { .. } | LlmEvent::Failed { .. }), "{last:?}");
    let complete = matches!(last, LlmEvent::Done { .. });
    for event in before {
        match event {
            LlmEvent::Delta(text) => assert!(!text.is_empty()),
            LlmEvent::ToolCall { .. } => assert!(complete, "half a tool call must not run"),
            LlmEvent::Done { .. } | LlmEvent::Failed { .. } => panic!("two ends"),
        }
    }
}
