//! What a client may send over the socket.

use serde::Deserialize;
use serde_json::Value;

/// A message that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Cancel { context_id: String },
    Generate(Generate),
}

/// Text to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generate {
    pub(super) context_id: Option<String>,
    pub(super) transcript: String,
    /// More text will follow.
    pub(super) goes_on: bool,
    pub(super) flush: bool,
    /// Speak at once, even if the last word might go on.
    pub(super) unbuffered: bool,
    pub(super) settings: Settings,
}

/// What must be the same in all messages of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) model: String,
    pub(super) voice: String,
    pub(super) language: String,
    pub(super) sample_rate: u32,
    pub(super) timestamps: bool,
}

/// A message that was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) context_id: Option<String>,
    pub(super) code: &'static str,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Raw {
    context_id: Option<String>,
    #[serde(default)]
    cancel: bool,
    model_id: Option<String>,
    transcript: Option<String>,
    voice: Option<Voice>,
    output_format: Option<OutputFormat>,
    language: Option<String>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    flush: bool,
    #[serde(default)]
    add_timestamps: bool,
    max_buffer_delay_ms: Option<u32>,
}

#[derive(Deserialize)]
struct Voice {
    mode: String,
    id: Option<String>,
}

#[derive(Deserialize)]
struct OutputFormat {
    container: String,
    encoding: Option<String>,
    sample_rate: Option<u32>,
}

impl Message {
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_str(text).map_err(|error| Malformed {
            context_id: None,
            code: "invalid_json",
            message: error.to_string(),
        })?;
        let context_id = value["context_id"].as_str().map(str::to_owned);
        Self::from_value(value).map_err(|(code, message)| Malformed { context_id, code, message })
    }

    fn from_value(value: Value) -> Result<Self, (&'static str, String)> {
        let raw: Raw =
            serde_json::from_value(value).map_err(|error| ("invalid_request", error.to_string()))?;
        if raw.cancel {
            let context_id = raw.context_id.ok_or_else(|| missing("context_id"))?;
            return Ok(Self::Cancel { context_id });
        }
        if raw.goes_on && raw.context_id.is_none() {
            return Err(missing("context_id"));
        }
        let sample_rate = sample_rate(raw.output_format.ok_or_else(|| missing("output_format"))?)?;
        let settings = Settings {
            model: raw.model_id.ok_or_else(|| missing("model_id"))?,
            voice: voice(raw.voice.ok_or_else(|| missing("voice"))?)?,
            language: raw.language.unwrap_or_else(|| "en".into()),
            sample_rate,
            timestamps: raw.add_timestamps,
        };
        Ok(Self::Generate(Generate {
            context_id: raw.context_id,
            transcript: raw.transcript.ok_or_else(|| missing("transcript"))?,
            goes_on: raw.goes_on,
            flush: raw.flush,
            unbuffered: raw.max_buffer_delay_ms == Some(0),
            settings,
        }))
    }
}

fn missing(field: &str) -> (&'static str, String) {
    ("missing_field", format!("{field} is required"))
}

fn voice(voice: Voice) -> Result<String, (&'static str, String)> {
    match (voice.mode.as_str(), voice.id) {
        ("id", Some(id)) => Ok(id),
        _ => Err(("invalid_voice", "voice must have the mode \"id\" and an id".into())),
    }
}

fn sample_rate(format: OutputFormat) -> Result<u32, (&'static str, String)> {
    const RATES: [u32; 6] = [8000, 16_000, 22_050, 24_000, 44_100, 48_000];
    let raw_pcm = format.container == "raw" && format.encoding.as_deref() == Some("pcm_s16le");
    let rate = format.sample_rate.filter(|rate| raw_pcm && RATES.contains(rate));
    rate.ok_or_else(|| ("invalid_output_format", "only raw pcm_s16le at the usual rates is spoken".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({ "context_id": "c", "model_id": "sonic-3", "transcript": "Hi", "continue": true,
            "voice": { "mode": "id", "id": "v" },
            "output_format": { "container": "raw", "encoding": "pcm_s16le", "sample_rate": 8000 } })
    }

    #[test]
    fn a_whole_message_is_read() {
        let Ok(Message::Generate(generate)) = Message::parse(&good().to_string()) else { panic!() };
        assert!(generate.goes_on && !generate.settings.timestamps);
        assert_eq!(generate.settings.sample_rate, 8000);
        let cancel = Message::parse(r#"{"context_id":"c","cancel":true}"#);
        assert_eq!(cancel, Ok(Message::Cancel { context_id: "c".into() }));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for field in ["model_id", "transcript", "voice", "output_format", "context_id"] {
            let mut message = good();
            message.as_object_mut().unwrap().remove(field);
            let malformed = Message::parse(&message.to_string()).unwrap_err();
            assert!(malformed.message.contains(field), "{malformed:?}");
        }
        let mut message = good();
        message["output_format"]["encoding"] = "mp3".into();
        assert_eq!(Message::parse(&message.to_string()).unwrap_err().code, "invalid_output_format");
        assert_eq!(Message::parse("{").unwrap_err().code, "invalid_json");
    }
}
