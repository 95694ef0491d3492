//! A recogniser's messages.

use deepgram::common::stream_response::StreamResponse;
use talkif_providers::SttEvent;
use talkif_providers::deepgram::event;

/// Reads a WebSocket text frame.
///
/// # Panics
/// If words are heard that the message does not contain, or empty ones count as speech.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = serde_json::from_str::<StreamResponse>(text) else { return };
    // The client's own form of it is a message again, and means the same.
    let written = serde_json::to_string(&message).ok();
    let first = event(message);
    check(first.as_ref());
    if let Some(Ok(again)) = written.as_deref().map(serde_json::from_str::<StreamResponse>) {
        assert_eq!(format!("{:?}", event(again)), format!("{first:?}"));
    }
}

fn check(event: Option<&SttEvent>) {
    match event {
        Some(SttEvent::Partial { text }) => {
            assert!(!text.is_empty() && text.trim() == text, "{text:?}");
        }
        Some(SttEvent::Final { text, end_of_turn, .. }) => {
            assert_eq!(text.trim(), text);
            assert_eq!(*end_of_turn, None, "silence is our own detector's matter");
        }
        Some(SttEvent::Failed { .. }) => panic!("no message ends the stream"),
        Some(_) | None => {}
    }
}
