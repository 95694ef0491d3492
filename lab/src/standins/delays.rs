//! How long the vendors take.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the stand-ins take to answer.
#[derive(Debug)]
pub struct Delays {
    chance: Option<Mutex<StdRng>>,
}

/// A log-normal distribution by two of its percentiles, milliseconds, cut off at `most`.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    p95: f64,
    most: f64,
}

/// Last sample of speech recognised → final transcript, without the vendor's endpointing: the
/// published 247 / 298 ms of Deepgram nova-3 less the 200 ms of the detector in front of it.
const STT_FINAL: Spread = Spread { median: 47.0, p95: 98.0, most: 130.0 };
/// Request → first token: between a fast open model (98 / 217 ms) and gpt-4.1 (536 ms).
const LLM_FIRST_TOKEN: Spread = Spread { median: 230.0, p95: 550.0, most: 1200.0 };
/// Token → next token.
const LLM_TOKEN: Spread = Spread { median: 8.0, p95: 20.0, most: 60.0 };
/// Text → first audio byte.
const TTS_FIRST_BYTE: Spread = Spread { median: 110.0, p95: 190.0, most: 350.0 };

impl Delays {
    /// Answers as fast as the machine can.
    #[must_use]
    pub const fn none() -> Self {
        Self { chance: None }
    }

    /// Answers as the vendors do, the same for the same seed and order of requests.
    #[must_use]
    pub fn realistic(seed: u64) -> Self {
        Self { chance: Some(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    pub(super) fn stt_final(&self) -> Duration {
        self.draw(STT_FINAL)
    }

    pub(super) fn llm_first_token(&self) -> Duration {
        self.draw(LLM_FIRST_TOKEN)
    }

    pub(super) fn llm_token(&self) -> Duration {
        self.draw(LLM_TOKEN)
    }

    pub(super) fn tts_first_byte(&self) -> Duration {
        self.draw(TTS_FIRST_BYTE)
    }

    /// How many times faster than real time a voice is synthesised.
    pub(super) const fn synthesis_speed(&self) -> u32 {
        if self.chance.is_some() { 8 } else { 40 }
    }

    fn draw(&self, spread: Spread) -> Duration {
        let Some(chance) = &self.chance else { return Duration::ZERO };
        let mut chance = chance.lock().unwrap_or_else(PoisonError::into_inner);
        // Box and Muller: two uniform numbers make a normal one.
        let (u, v): (f64, f64) = (1.0 - chance.random::<f64>(), chance.random());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        let sigma = (spread.p95 / spread.median).ln() / 1.645;
        let ms = (spread.median * (sigma * normal).exp()).min(spread.most);
        Duration::from_micros((ms * 1000.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_follow_the_published_percentiles() {
        let delays = Delays::realistic(1);
        let mut drawn: Vec<_> = (0..2000).map(|_| delays.tts_first_byte().as_secs_f64() * 1000.0).collect();
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[1000] - TTS_FIRST_BYTE.median).abs() < 5.0, "{}", drawn[1000]);
        assert!((drawn[1900] - TTS_FIRST_BYTE.p95).abs() < 12.0, "{}", drawn[1900]);
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let draw = |seed| {
            let delays = Delays::realistic(seed);
            (0..10).map(|_| delays.llm_first_token()).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        assert_eq!(Delays::none().llm_first_token(), Duration::ZERO);
    }
}
