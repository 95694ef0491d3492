//! Cartesia's messages.

use super::{DEFAULT_MODEL, DEFAULT_VOICE};
use crate::TtsSettings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use talkif_call_engine::io::Word;

/// What is the same in every request of a call.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    model: String,
    voice: String,
    language: String,
    sample_rate: u32,
}

impl From<TtsSettings> for Voice {
    fn from(settings: TtsSettings) -> Self {
        Self {
            model: settings.model.unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            voice: settings.voice.unwrap_or_else(|| DEFAULT_VOICE.to_owned()),
            language: settings.language,
            sample_rate: settings.sample_rate,
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model_id: &'a str,
    transcript: &'a str,
    voice: VoiceId<'a>,
    language: &'a str,
    context_id: &'a str,
    #[serde(rename = "continue")]
    more_follows: bool,
    output_format: Format,
    add_timestamps: bool,
    /// The engine already cuts at sentences and clauses; waiting for more text would only be late.
    max_buffer_delay_ms: u32,
}

#[derive(Serialize)]
struct VoiceId<'a> {
    mode: &'static str,
    id: &'a str,
}

#[derive(Serialize)]
struct Format {
    container: &'static str,
    encoding: &'static str,
    sample_rate: u32,
}

#[derive(Serialize)]
struct Cancel<'a> {
    context_id: &'a str,
    cancel: bool,
}

impl Voice {
    /// A piece of text; an empty one with `more_follows` off closes the context.
    pub(super) fn request(&self, context: &str, text: &str, more_follows: bool) -> String {
        to_json(&Request {
            model_id: &self.model,
            transcript: text,
            voice: VoiceId { mode: "id", id: &self.voice },
            language: &self.language,
            context_id: context,
            more_follows,
            output_format: Format { container: "raw", encoding: "pcm_s16le", sample_rate: self.sample_rate },
            add_timestamps: true,
            max_buffer_delay_ms: 0,
        })
    }
}

/// Forget a context.
pub(super) fn cancel(context: &str) -> String {
    to_json(&Cancel { context_id: context, cancel: true })
}

// Structs of strings and numbers always serialize; an empty message would be refused visibly.
fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// A message of the vendor.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Speech.
    Audio {
        /// Whose: one utterance.
        context: String,
        /// Mono samples at the rate that was asked for.
        pcm: Vec<i16>,
    },
    /// When which word is spoken.
    Words {
        /// As for audio.
        context: String,
        /// In the order of speech.
        words: Vec<Word>,
    },
    /// There will be no more audio.
    Done {
        /// As for audio.
        context: String,
    },
    /// Without a context the whole connection is meant.
    Error {
        /// The utterance that failed.
        context: Option<String>,
        /// As of HTTP.
        status: Option<u16>,
    },
    /// Acknowledgements and message types that came after our version.
    Other,
}

#[derive(Deserialize)]
struct Message {
    r#type: String,
    context_id: Option<String>,
    data: Option<String>,
    word_timestamps: Option<Timestamps>,
    status_code: Option<u16>,
}

#[derive(Deserialize)]
struct Timestamps {
    words: Vec<String>,
    start: Vec<f64>,
    end: Vec<f64>,
}

/// Reads a message; `None` if it is not one of Cartesia's.
#[must_use]
pub fn read(text: &str) -> Option<Answer> {
    let message: Message = serde_json::from_str(text).ok()?;
    match message.r#type.as_str() {
        "chunk" => Some(Answer::Audio { context: message.context_id?, pcm: samples(&message.data?)? }),
        "timestamps" => {
            Some(Answer::Words { context: message.context_id?, words: words(message.word_timestamps?) })
        }
        "done" => Some(Answer::Done { context: message.context_id? }),
        "error" => Some(Answer::Error { context: message.context_id, status: message.status_code }),
        _ => Some(Answer::Other),
    }
}

fn samples(data: &str) -> Option<Vec<i16>> {
    let bytes = STANDARD.decode(data).ok()?;
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}

fn words(times: Timestamps) -> Vec<Word> {
    let spans = times.start.into_iter().zip(times.end);
    let word = |(text, (start, end))| Word { text, start_ms: milliseconds(start), end_ms: milliseconds(end) };
    times.words.into_iter().zip(spans).map(word).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and NaN becomes 0"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_has_the_shape_of_the_wire() {
        let voice = Voice::from(TtsSettings {
            voice: Some("v".into()),
            model: None,
            language: "tr".into(),
            sample_rate: 8_000,
        });
        let request: serde_json::Value =
            serde_json::from_str(&voice.request("c-1", "Merhaba. ", true)).unwrap();
        assert_eq!(
            request,
            json!({
                "model_id": DEFAULT_MODEL, "transcript": "Merhaba. ", "voice": {"mode": "id", "id": "v"},
                "language": "tr", "context_id": "c-1", "continue": true, "add_timestamps": true,
                "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
                "max_buffer_delay_ms": 0,
            })
        );
        assert_eq!(cancel("c-1"), r#"{"context_id":"c-1","cancel":true}"#);
    }

    #[test]
    fn answers_are_read() {
        let audio = json!({"type": "chunk", "context_id": "c", "data": STANDARD.encode([1, 0, 255, 255]), "done": false});
        assert_eq!(read(&audio.to_string()), Some(Answer::Audio { context: "c".into(), pcm: vec![1, -1] }));
        let times = json!({"type": "timestamps", "context_id": "c",
            "word_timestamps": {"words": ["a", "b"], "start": [0.0, 0.5], "end": [0.25, 1.0]}});
        let Some(Answer::Words { words, .. }) = read(&times.to_string()) else { panic!("no words") };
        assert_eq!(words[1], Word { text: "b".into(), start_ms: 500, end_ms: 1_000 });
        assert_eq!(read(r#"{"type":"flush_done","context_id":"c"}"#), Some(Answer::Other));
        assert_eq!(
            read(r#"{"type":"error","status_code":429,"error":"slow down"}"#),
            Some(Answer::Error { context: None, status: Some(429) })
        );
    }

    #[test]
    fn garbage_is_no_answer() {
        for text in
            ["", "{}", "[1]", r#"{"type":"chunk","context_id":"c","data":"%%"}"#, r#"{"type":"done"}"#]
        {
            assert_eq!(read(text), None, "{text}");
        }
        let odd = json!({"type": "chunk", "context_id": "c", "data": STANDARD.encode([1, 2, 3])});
        assert_eq!(read(&odd.to_string()), None);
    }
}
