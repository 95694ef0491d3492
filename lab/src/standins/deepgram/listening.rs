//! The query parameters of a listening connection.

use std::collections::BTreeMap;
use talkif_media::g711::Law;

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) encoding: Encoding,
    pub(super) sample_rate: u32,
    pub(super) interim_results: bool,
    /// Silence after which an utterance is final; `None` where endpointing is off.
    pub(super) endpointing_ms: Option<u64>,
    pub(super) utterance_end_ms: Option<u64>,
    pub(super) vad_events: bool,
    /// Whether transcripts keep capitals and punctuation.
    pub(super) formatted: bool,
    pub(super) model: String,
}

/// How audio is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Linear16,
    G711(Law),
}

impl Listening {
    /// Reads a query string; the error is a sentence for the client.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let fields: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let flag = |name: &str| fields.get(name).is_some_and(|value| *value == "true");
        let encoding = encoding(fields.get("encoding").copied())?;
        let interim_results = flag("interim_results");
        if fields.get("channels").is_some_and(|channels| *channels != "1") {
            return Err("Only one channel is supported.".into());
        }
        Ok(Self {
            encoding,
            sample_rate: sample_rate(fields.get("sample_rate").copied())?,
            interim_results,
            endpointing_ms: endpointing(fields.get("endpointing").copied())?,
            utterance_end_ms: utterance_end(fields.get("utterance_end_ms").copied(), interim_results)?,
            vad_events: flag("vad_events"),
            formatted: flag("smart_format") || flag("punctuate"),
            model: (*fields.get("model").unwrap_or(&"base")).to_owned(),
        })
    }

    pub(super) fn samples(&self, bytes: &[u8]) -> Vec<i16> {
        match self.encoding {
            Encoding::Linear16 => {
                bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
            }
            Encoding::G711(law) => bytes.iter().map(|code| law.decode(*code)).collect(),
        }
    }
}

fn encoding(value: Option<&str>) -> Result<Encoding, String> {
    match value {
        Some("linear16") => Ok(Encoding::Linear16),
        Some("mulaw") => Ok(Encoding::G711(Law::Mu)),
        Some("alaw") => Ok(Encoding::G711(Law::A)),
        Some(other) => Err(format!("Encoding '{other}' is not supported.")),
        None => Err("Raw audio needs the parameters 'encoding' and 'sample_rate'.".into()),
    }
}

fn sample_rate(value: Option<&str>) -> Result<u32, String> {
    let rate = value.and_then(|value| value.parse().ok());
    rate.filter(|rate| (8000..=48_000).contains(rate) && rate % 1000 == 0)
        .ok_or_else(|| "'sample_rate' must be given and be 8000, 16000, 24000 or 48000.".into())
}

fn endpointing(value: Option<&str>) -> Result<Option<u64>, String> {
    match value {
        None | Some("true") => Ok(Some(10)),
        Some("false") => Ok(None),
        Some(ms) => ms.parse().map(Some).map_err(|_| "'endpointing' must be a number or false.".into()),
    }
}

fn utterance_end(value: Option<&str>, interim_results: bool) -> Result<Option<u64>, String> {
    match value.map(str::parse) {
        None => Ok(None),
        Some(Ok(ms)) if ms >= 1000 && interim_results => Ok(Some(ms)),
        Some(_) => Err("'utterance_end_ms' must be 1000 or more, with interim_results=true.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_parameters_are_read() {
        let listening = Listening::parse(
            "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&endpointing=300\
             &utterance_end_ms=1000&vad_events=true&smart_format=true",
        )
        .unwrap();
        assert_eq!(listening.sample_rate, 16_000);
        assert_eq!((listening.endpointing_ms, listening.utterance_end_ms), (Some(300), Some(1000)));
        assert!(listening.interim_results && listening.vad_events && listening.formatted);
    }

    #[test]
    fn what_the_vendor_refuses_is_refused() {
        for query in [
            "",
            "encoding=linear16",
            "encoding=opus&sample_rate=8000",
            "encoding=linear16&sample_rate=8000&utterance_end_ms=500&interim_results=true",
            "encoding=linear16&sample_rate=8000&utterance_end_ms=1000",
            "encoding=linear16&sample_rate=8000&channels=2",
        ] {
            assert!(Listening::parse(query).is_err(), "{query}");
        }
    }
}
