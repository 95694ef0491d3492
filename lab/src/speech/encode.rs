//! Words to samples.

use super::Voice;
use super::frame::{BYTES_PER_SYMBOL, Piece, pack, pieces};
use super::tones::{SYNC, digits, render};

/// Silence after every word. Shorter than any voice activity detector waits for.
const GAP_MS: u32 = 20;

/// A word and where it lies in its utterance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The word with its punctuation.
    pub text: String,
    /// Its start, in milliseconds from the start of the utterance.
    pub start_ms: u64,
    /// Its end, in milliseconds from the start of the utterance, without the gap that follows.
    pub end_ms: u64,
    /// Its sound and the gap after it: utterances are the concatenation of their words.
    pub samples: Vec<i16>,
}

/// Speaks `words` at `rate` samples per second (8000 or more). Whitespace and control characters
/// inside a word are left out, and so are empty words.
#[must_use]
pub fn encode(words: &[&str], rate: u32, voice: Voice) -> Vec<Spoken> {
    let mut at = 0;
    words
        .iter()
        .filter_map(|word| {
            let mut samples = burst(word, rate, voice)?;
            let end = at + samples.len();
            samples.resize(samples.len() + (rate * GAP_MS / 1000) as usize, 0);
            let ms = |sample: usize| (sample as u64 * 1000) / u64::from(rate);
            let spoken =
                Spoken { text: (*word).into(), start_ms: ms(at), end_ms: ms(end), samples: Vec::new() };
            at += samples.len();
            Some(Spoken { samples, ..spoken })
        })
        .collect()
}

/// Speaks a text, cut at whitespace.
#[must_use]
pub fn encode_text(text: &str, rate: u32, voice: Voice) -> Vec<Spoken> {
    encode(&text.split_whitespace().collect::<Vec<_>>(), rate, voice)
}

fn burst(word: &str, rate: u32, voice: Voice) -> Option<Vec<i16>> {
    let pieces = pieces(word);
    let mut samples = Vec::new();
    for piece in &pieces {
        for copy in 0..piece.copies() {
            block(piece, voice, copy, rate, &mut samples);
        }
    }
    (!pieces.is_empty()).then_some(samples)
}

fn block(piece: &Piece, voice: Voice, copy: usize, rate: u32, samples: &mut Vec<i16>) {
    render(&SYNC, rate, samples);
    for (position, bytes) in pack(piece, voice, copy).chunks_exact(BYTES_PER_SYMBOL).enumerate() {
        render(&digits(bytes, position), rate, samples);
    }
}
