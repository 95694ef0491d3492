//! The vendor's JSON.

use super::listening::Listening;
use super::recogniser::{Results, Told};
use crate::speech::Heard;
use serde::Deserialize;
use serde_json::{Value, json};

/// What a client may say besides audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Control {
    KeepAlive,
    Finalize,
    CloseStream,
}

pub(super) fn message(told: &Told, listening: &Listening, request_id: &str) -> Value {
    match told {
        Told::SpeechStarted { at_ms } => {
            json!({ "type": "SpeechStarted", "channel": [0], "timestamp": seconds(*at_ms) })
        }
        Told::UtteranceEnd { last_word_end_ms } => {
            json!({ "type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(*last_word_end_ms) })
        }
        Told::Results(results) => self::results(results, listening, request_id),
    }
}

fn results(results: &Results, listening: &Listening, request_id: &str) -> Value {
    let written: Vec<String> = results.words.iter().map(|word| written(&word.word, listening)).collect();
    let words: Vec<Value> = results.words.iter().map(|heard| word(heard, listening)).collect();
    json!({
        "type": "Results",
        "channel_index": [0, 1],
        "duration": seconds(results.end_ms - results.start_ms),
        "start": seconds(results.start_ms),
        "is_final": results.is_final,
        "speech_final": results.speech_final,
        "from_finalize": results.from_finalize,
        "channel": {
            "alternatives": [{
                "transcript": written.join(" "),
                "confidence": if words.is_empty() { 0.0 } else { 0.99 },
                "words": words,
            }],
        },
        "metadata": {
            "request_id": request_id,
            "model_info": model_info(listening),
            "model_uuid": MODEL_UUID,
        },
    })
}

const MODEL_UUID: &str = "00000000-0000-4000-8000-000000000001";

fn model_info(listening: &Listening) -> Value {
    json!({ "name": listening.model, "version": "2026-01-01.0", "arch": "lab" })
}

fn word(heard: &Heard, listening: &Listening) -> Value {
    let mut word = json!({
        "word": plain(&heard.word),
        "start": seconds(heard.start_ms),
        "end": seconds(heard.end_ms),
        "confidence": 0.99,
    });
    if listening.formatted {
        word["punctuated_word"] = heard.word.clone().into();
    }
    word
}

fn written(word: &str, listening: &Listening) -> String {
    if listening.formatted { word.to_owned() } else { plain(word) }
}

fn plain(word: &str) -> String {
    word.to_lowercase().trim_matches(|c: char| c.is_ascii_punctuation()).to_owned()
}

/// The last message of a stream.
pub(super) fn metadata(request_id: &str, created: &str, duration_ms: u64, listening: &Listening) -> Value {
    json!({
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": "0".repeat(64),
        "created": created,
        "duration": seconds(duration_ms),
        "channels": 1,
        "models": [MODEL_UUID],
        "model_info": { MODEL_UUID: model_info(listening) },
    })
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
