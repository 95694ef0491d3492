//! Text carried as audio.
//!
//! A word is a burst of tones in the voice band, as long as a person would need to say it. The
//! lab's voice encodes words into such bursts and the lab's ear decodes them, so whatever breaks
//! the audio path breaks the conversation: nothing is passed beside the sound.
//!
//! The format ([`frame`], [`tones`]): a word's text with a checksum makes a block of 20 ms
//! symbols led by a sync symbol, and the block is repeated, numbered, until the word has its
//! natural length. Any single intact copy yields the word; a word whose end is not heard is
//! dropped, so an utterance that is cut off is heard up to the cut and no further.
//!
//! This module knows nothing about calls, codecs or clocks: samples in, words out.

mod decode;
mod encode;
mod frame;
mod resample;
#[cfg(test)]
mod tests;
mod tones;

pub use decode::{Decoder, Heard, UnsupportedRate};
pub use encode::{Spoken, encode, encode_text};
pub use resample::resample;

/// Who speaks. It travels inside every word, so that an ear can tell its own echo from the other
/// side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The person on the phone.
    Caller,
    /// The product's agent.
    Agent,
}
