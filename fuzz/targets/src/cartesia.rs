//! A voice's messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use talkif_providers::cartesia::{Answer, read};

/// Beyond this, milliseconds and seconds no longer turn into each other without loss.
const EXACT_MS: u64 = 1 << 40;

/// Reads a WebSocket text frame.
///
/// # Panics
/// If what was read, written as the vendor writes it, is not read as the same.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(answer) = read(text) else { return };
    if let Some(written) = write(&answer) {
        assert_eq!(read(&written.to_string()), Some(answer));
    }
}

fn write(answer: &Answer) -> Option<Value> {
    Some(match answer {
        Answer::Audio { context, pcm } => {
            let bytes: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            json!({"type": "chunk", "context_id": context, "data": STANDARD.encode(bytes)})
        }
        Answer::Words { context, words } => {
            if words.iter().any(|word| word.start_ms > EXACT_MS || word.end_ms > EXACT_MS) {
                return None;
            }
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let starts: Vec<f64> = words.iter().map(|word| seconds(word.start_ms)).collect();
            let ends: Vec<f64> = words.iter().map(|word| seconds(word.end_ms)).collect();
            let times = json!({"words": texts, "start": starts, "end": ends});
            json!({"type": "timestamps", "context_id": context, "word_timestamps": times})
        }
        Answer::Done { context } => json!({"type": "done", "context_id": context}),
        Answer::Error { context, status } => {
            json!({"type": "error", "context_id": context, "status_code": status})
        }
        Answer::Other => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "bounded by the caller")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
