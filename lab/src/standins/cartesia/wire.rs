//! The vendor's messages to the client.

use super::super::base64;
use super::request::Malformed;
use crate::speech::Spoken;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn chunk(context_id: Option<&str>, samples: &[i16], step: Duration) -> Value {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    json!({
        "type": "chunk", "data": base64(&bytes), "done": false, "status_code": 206,
        "step_time": step.as_secs_f64() * 1000.0, "context_id": context_id,
    })
}

/// Where words lie, counted from the start of the context's audio.
pub(super) fn timestamps(context_id: Option<&str>, words: &[Spoken]) -> Value {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let starts: Vec<f64> = words.iter().map(|word| seconds(word.start_ms)).collect();
    let ends: Vec<f64> = words.iter().map(|word| seconds(word.end_ms)).collect();
    json!({
        "type": "timestamps", "done": false, "status_code": 206, "context_id": context_id,
        "word_timestamps": { "words": texts, "start": starts, "end": ends },
    })
}

pub(super) fn flush_done(context_id: Option<&str>, flush_id: u32) -> Value {
    json!({
        "type": "flush_done", "done": false, "flush_done": true, "flush_id": flush_id,
        "status_code": 206, "context_id": context_id,
    })
}

pub(super) fn done(context_id: Option<&str>) -> Value {
    json!({ "type": "done", "done": true, "status_code": 206, "context_id": context_id })
}

pub(super) fn malformed(malformed: &Malformed) -> Value {
    error(malformed.context_id.as_deref(), 400, malformed.code, &malformed.message)
}

pub(super) fn error(context_id: Option<&str>, status: u16, code: &str, message: &str) -> Value {
    json!({
        "type": "error", "done": true, "status_code": status, "error_code": code, "title": code,
        "message": message, "error": message, "context_id": context_id,
        "request_id": super::super::request_id(),
    })
}
