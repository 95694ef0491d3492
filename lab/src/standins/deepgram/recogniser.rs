//! What is heard, as the vendor would tell it. No sockets and no clock: time is counted in
//! samples.

use super::listening::Listening;
use crate::speech::{Decoder, Heard, UnsupportedRate};

const FRAME_MS: u64 = 10;
/// Root mean square above which a frame is speech: −45 dBFS.
const LOUD: f64 = 184.0;
/// Loud frames that make speech.
const ONSET_FRAMES: u64 = 3;
/// The shortest silence that can end an utterance: longer than the gap between two words.
const SHORTEST_ENDPOINT_MS: u64 = 50;
/// A stretch without an endpoint is made final after so long.
const LONGEST_SEGMENT_MS: u64 = 5_000;
/// Interim results come at least this often.
const INTERIM_EVERY_MS: u64 = 1_000;

/// One message for the client, times in milliseconds since the first sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    SpeechStarted { at_ms: u64 },
    Results(Results),
    UtteranceEnd { last_word_end_ms: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) words: Vec<Heard>,
    pub(super) is_final: bool,
    pub(super) speech_final: bool,
    pub(super) from_finalize: bool,
}

pub(super) struct Recogniser {
    listening: Listening,
    decoder: Decoder,
    buffer: Vec<i16>,
    now_ms: u64,
    segment_start_ms: u64,
    last_interim_ms: u64,
    words: Vec<Heard>,
    loud_frames: u64,
    silent_ms: u64,
    speaking: bool,
    /// End of the last word, until an utterance end was sent for it.
    open_word_end_ms: Option<u64>,
}

impl Recogniser {
    pub(super) fn new(listening: Listening) -> Result<Self, UnsupportedRate> {
        Ok(Self {
            decoder: Decoder::new(listening.sample_rate)?,
            listening,
            buffer: Vec::new(),
            now_ms: 0,
            segment_start_ms: 0,
            last_interim_ms: 0,
            words: Vec::new(),
            loud_frames: 0,
            silent_ms: 0,
            speaking: false,
            open_word_end_ms: None,
        })
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(super) fn push(&mut self, samples: &[i16]) -> Vec<Told> {
        self.buffer.extend(samples);
        let frame = (u64::from(self.listening.sample_rate) * FRAME_MS / 1000) as usize;
        let whole = self.buffer.len() / frame * frame;
        let rest = self.buffer.split_off(whole);
        let heard = std::mem::replace(&mut self.buffer, rest);
        heard.chunks_exact(frame).flat_map(|frame| self.frame(frame)).collect()
    }

    /// Everything heard so far becomes final.
    pub(super) fn finalize(&mut self) -> Told {
        self.results(true, false, true)
    }

    /// What remains when the client closes the stream.
    pub(super) fn close(&mut self) -> Option<Told> {
        (!self.words.is_empty()).then(|| self.results(true, true, false))
    }

    fn frame(&mut self, frame: &[i16]) -> Vec<Told> {
        self.now_ms += FRAME_MS;
        let mut told = Vec::new();
        told.extend(self.detect_onset(frame));
        told.extend(self.hear(frame));
        told.extend(self.detect_end());
        told.extend(self.utterance_end());
        told
    }

    fn detect_onset(&mut self, frame: &[i16]) -> Option<Told> {
        let power = frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64;
        if power.sqrt() < LOUD {
            self.loud_frames = 0;
            self.silent_ms += FRAME_MS;
            return None;
        }
        self.loud_frames += 1;
        self.silent_ms = 0;
        if self.loud_frames < ONSET_FRAMES || std::mem::replace(&mut self.speaking, true) {
            return None;
        }
        let at_ms = self.now_ms - ONSET_FRAMES * FRAME_MS;
        self.listening.vad_events.then_some(Told::SpeechStarted { at_ms })
    }

    fn hear(&mut self, frame: &[i16]) -> Option<Told> {
        let heard = self.decoder.push(frame);
        let news = !heard.is_empty();
        self.open_word_end_ms = heard.last().map(|word| word.end_ms).or(self.open_word_end_ms);
        self.words.extend(heard);
        let due = news || self.now_ms - self.last_interim_ms >= INTERIM_EVERY_MS;
        (due && self.listening.interim_results).then(|| self.results(false, false, false))
    }

    fn detect_end(&mut self) -> Option<Told> {
        let endpoint = self.listening.endpointing_ms.map(|ms| ms.max(SHORTEST_ENDPOINT_MS));
        if self.speaking && endpoint.is_some_and(|ms| self.silent_ms >= ms) {
            self.speaking = false;
            return Some(self.results(true, true, false));
        }
        let long = self.now_ms - self.segment_start_ms >= LONGEST_SEGMENT_MS;
        long.then(|| self.results(true, false, false))
    }

    fn utterance_end(&mut self) -> Option<Told> {
        let pause = self.listening.utterance_end_ms?;
        let last_word_end_ms = self.open_word_end_ms.take_if(|end| self.now_ms >= *end + pause)?;
        Some(Told::UtteranceEnd { last_word_end_ms })
    }

    fn results(&mut self, is_final: bool, speech_final: bool, from_finalize: bool) -> Told {
        let words = if is_final { std::mem::take(&mut self.words) } else { self.words.clone() };
        let start_ms = self.segment_start_ms;
        self.last_interim_ms = self.now_ms;
        if is_final {
            self.segment_start_ms = self.now_ms;
        }
        Told::Results(Results { start_ms, end_ms: self.now_ms, words, is_final, speech_final, from_finalize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{Voice, encode_text};

    fn recogniser(query: &str) -> Recogniser {
        let query = format!("encoding=linear16&sample_rate=8000&{query}");
        Recogniser::new(Listening::parse(&query).unwrap()).unwrap()
    }

    fn speech(text: &str) -> Vec<i16> {
        encode_text(text, 8000, Voice::Caller).into_iter().flat_map(|word| word.samples).collect()
    }

    fn text(words: &[Heard]) -> String {
        words.iter().map(|word| word.word.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn lines(told: &[Told]) -> Vec<String> {
        told.iter()
            .map(|told| match told {
                Told::SpeechStarted { .. } => "started".into(),
                Told::UtteranceEnd { .. } => "utterance end".into(),
                Told::Results(r) if r.is_final && r.speech_final => format!("final. {}", text(&r.words)),
                Told::Results(r) if r.is_final => format!("final {}", text(&r.words)),
                Told::Results(r) => format!("interim {}", text(&r.words)),
            })
            .collect()
    }

    #[test]
    fn an_utterance_grows_word_by_word_and_ends() {
        let mut ear =
            recogniser("interim_results=true&vad_events=true&endpointing=300&utterance_end_ms=1000");
        let told = ear.push(&[speech("hi there you"), vec![0; 9600]].concat());
        assert_eq!(
            lines(&told),
            [
                "started",
                "interim hi",
                "interim hi there",
                "interim hi there you",
                "final. hi there you",
                "utterance end"
            ]
        );
    }

    #[test]
    fn finalize_takes_what_is_there_and_the_rest_comes_later() {
        let mut ear = recogniser("endpointing=300");
        let words = encode_text("one two", 8000, Voice::Caller);
        assert!(ear.push(&words[0].samples).is_empty());
        assert_eq!(lines(&[ear.finalize()]), ["final one"]);
        assert_eq!(lines(&ear.push(&[words[1].samples.clone(), vec![0; 2400]].concat())), ["final. two"]);
        assert_eq!(ear.close(), None);
    }

    #[test]
    fn noise_makes_an_empty_transcript() {
        let mut ear = recogniser("endpointing=300");
        let tone: Vec<i16> = (0..4000).map(|n| ((f64::from(n) * 0.4).sin() * 8000.0) as i16).collect();
        assert_eq!(lines(&ear.push(&[tone, vec![0; 2400]].concat())), ["final. "]);
    }

    #[test]
    fn a_monologue_is_made_final_in_stretches() {
        let mut ear = recogniser("endpointing=300");
        let told = ear.push(&speech(&"and on it goes ".repeat(8)));
        assert!(lines(&told)[0].starts_with("final and on it goes"));
    }
}
