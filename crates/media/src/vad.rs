//! Voice activity in 20 ms frames at 8 or 48 kHz.
//!
//! An energy detector over an adaptive noise floor, with three sanity checks: everything below
//! the telephone band is filtered away first (line hum), a spectrum as flat as noise does not
//! start speech, and neither does anything shorter than 60 ms (clicks). Times are reported for
//! the first and the last speech sample, not for the moment of the decision.

mod spectrum;

use crate::resample::{Resampler, UnsupportedRates};
use crate::{TELEPHONE_FRAME, TELEPHONE_RATE};
use spectrum::{Analyser, Bands, HighPass};

/// How the detector decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Speech this long starts an utterance. 60 ms: shorter than any syllable, longer than a
    /// click; LiveKit and Silero-based stacks use 50 ms.
    pub start_ms: u32,
    /// Silence this long ends it. 200 ms: the pause inside a word (stop consonants) stays below
    /// 150 ms; the turn's end is decided later, by the endpointer.
    pub end_ms: u32,
    /// A frame starts speech this far above the noise floor. 9 dB is about where listeners call
    /// speech in noise intelligible.
    pub start_db: f32,
    /// A frame continues speech this far above the noise floor.
    pub continue_db: f32,
    /// Nothing quieter than this is speech, dBFS. Quiet callers reach −45 dBFS on a telephone
    /// line; idle-channel noise may be up to −65 dBm0p (ITU-T G.712), about −68 dBFS.
    pub least_dbfs: f32,
    /// A spectrum flatter than this (geometric over arithmetic mean of the bands, 0 to 1) is
    /// noise. White noise measures 0.8 to 0.95 here, voices below 0.4.
    pub flatness: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { start_ms: 60, end_ms: 200, start_db: 9.0, continue_db: 6.0, least_dbfs: -50.0, flatness: 0.65 }
    }
}

/// Speech began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It began; the time of its first sample.
    Started {
        /// Microseconds, on the caller's clock.
        at_us: u64,
    },
    /// It ended; the time of its last sample.
    Ended {
        /// Microseconds, on the caller's clock.
        at_us: u64,
    },
}

/// Length of a frame.
const FRAME_MS: u32 = 20;
/// Samples of the slices in which the first and last speech sample are looked for: 5 ms.
const SLICE: usize = 40;
const SLICE_US: u64 = 5_000;
const FRAME_US: u64 = 20_000;
/// The floor stays between these, dBFS: below is digital silence, above is no telephone line.
const FLOOR_RANGE: (f32, f32) = (-65.0, -30.0);
/// Frames at the start of a call from whose quietest one the floor is taken.
const LEARNING_FRAMES: u32 = 10;
/// The floor falls quickly to any quieter frame (share of the difference a frame) …
const FLOOR_FALL: f32 = 0.3;
/// … rises at 10 dB a second while nobody speaks, and at 1.5 dB a second during speech, so that
/// a long monologue does not become the floor.
const FLOOR_RISE_DB: f32 = 0.2;
const FLOOR_RISE_SPEAKING_DB: f32 = 0.03;
/// A sound whose spectrum stays the same within this for [`STEADY_FRAMES`] is a machine: the
/// bands of a voice move by several dB a frame.
const STEADY_DB: f32 = 1.0;
const STEADY_FRAMES: u32 = 40;
/// The hiss at the start of a word counts as part of it, up to this length and the 60 ms that
/// decide.
const LONGEST_HISS_US: u64 = 120_000;
/// Below any real sound.
const SILENCE_DBFS: f32 = -100.0;

/// The detector of one stream.
#[derive(Debug, Clone)]
pub struct Vad {
    config: Config,
    resampler: Option<Resampler>,
    telephone: Vec<i16>,
    high_pass: HighPass,
    filtered: Vec<f32>,
    floor: f32,
    frames: u32,
    analyser: Analyser,
    bands: Bands,
    steady_frames: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// `since` is where a possible utterance began, `frames` how many speech frames it has.
    Quiet { since: Option<u64>, frames: u32 },
    /// `last` is the time of the last speech sample, `quiet` how many frames followed it.
    Speaking { last: u64, quiet: u32 },
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing, or a machine.
    Silence,
    /// Loud enough, but as flat as noise.
    Noise,
    /// A voice.
    Speech,
}

const QUIET: State = State::Quiet { since: None, frames: 0 };

impl Vad {
    /// A detector for frames of `rate` / 50 samples.
    ///
    /// # Errors
    /// If `rate` is not a whole multiple of 8 kHz.
    pub fn new(rate: u32, config: Config) -> Result<Self, UnsupportedRates> {
        let resampler =
            if rate == TELEPHONE_RATE { None } else { Some(Resampler::new(rate, TELEPHONE_RATE)?) };
        Ok(Self {
            config,
            resampler,
            telephone: Vec::with_capacity(TELEPHONE_FRAME),
            high_pass: HighPass::default(),
            filtered: Vec::with_capacity(TELEPHONE_FRAME),
            floor: FLOOR_RANGE.1,
            frames: 0,
            analyser: Analyser::new(TELEPHONE_FRAME),
            bands: Bands::default(),
            steady_frames: 0,
            state: QUIET,
        })
    }

    /// Takes the next 20 ms, whose first sample was heard at `at_us`.
    pub fn process(&mut self, frame: &[i16], at_us: u64) -> Option<Change> {
        self.filter(frame);
        let level = dbfs(&self.filtered);
        let verdict = self.judge(level);
        self.follow_floor(level, verdict);
        self.advance(verdict, at_us)
    }

    /// Whether speech has started and not ended.
    #[must_use]
    pub const fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking { .. })
    }

    /// The present noise floor, dBFS.
    #[must_use]
    pub const fn floor_dbfs(&self) -> f32 {
        self.floor
    }

    fn filter(&mut self, frame: &[i16]) {
        self.telephone.clear();
        match &mut self.resampler {
            Some(resampler) => resampler.process(frame, &mut self.telephone),
            None => self.telephone.extend(frame),
        }
        self.filtered.clear();
        self.filtered.extend(self.telephone.iter().map(|&sample| self.high_pass.next(sample)));
    }

    /// What the present frame is, in the present state.
    fn judge(&mut self, level: f32) -> Verdict {
        let margin = if self.is_speaking() { self.config.continue_db } else { self.config.start_db };
        if level < self.config.least_dbfs || level < self.floor + margin {
            self.steady_frames = 0;
            return Verdict::Silence;
        }
        let bands = self.analyser.bands(&self.filtered);
        let moved = bands.distance_db(&self.bands);
        let flat = bands.flatness() > self.config.flatness;
        self.bands = bands;
        self.steady_frames = if moved < STEADY_DB { self.steady_frames + 1 } else { 0 };
        // Hissing consonants are as flat as noise, but they come inside speech.
        match (self.steady_frames < STEADY_FRAMES, self.is_speaking() || !flat) {
            (false, _) => Verdict::Silence,
            (true, false) => Verdict::Noise,
            (true, true) => Verdict::Speech,
        }
    }

    fn follow_floor(&mut self, level: f32, verdict: Verdict) {
        self.frames = self.frames.saturating_add(1);
        if self.frames <= LEARNING_FRAMES {
            self.floor = self.floor.min(level - self.config.start_db / 2.0);
        } else if level < self.floor {
            self.floor += (level - self.floor) * FLOOR_FALL;
        } else if verdict == Verdict::Speech || self.is_speaking() {
            self.floor += FLOOR_RISE_SPEAKING_DB;
        } else {
            self.floor = level.min(self.floor + FLOOR_RISE_DB);
        }
        self.floor = self.floor.clamp(FLOOR_RANGE.0, FLOOR_RANGE.1);
    }

    fn advance(&mut self, verdict: Verdict, at_us: u64) -> Option<Change> {
        match (self.state, verdict) {
            (State::Quiet { since, frames }, Verdict::Speech) => self.rise(since, frames + 1, at_us),
            (State::Quiet { since, .. }, Verdict::Noise) => {
                // A word may begin with a hiss; whether it is one, the next frames tell.
                self.state = State::Quiet { since: Some(self.since(since, at_us)), frames: 0 };
                None
            }
            (State::Quiet { .. }, Verdict::Silence) => {
                self.state = QUIET;
                None
            }
            (State::Speaking { .. }, Verdict::Speech) => {
                self.state = State::Speaking { last: self.last_sample(at_us), quiet: 0 };
                None
            }
            (State::Speaking { last, quiet }, Verdict::Noise | Verdict::Silence) => {
                self.fall(last, quiet + 1)
            }
        }
    }

    /// Where the sound began that reaches into this frame, not further back than a hiss may last.
    fn since(&self, known: Option<u64>, at_us: u64) -> u64 {
        let since = known.unwrap_or_else(|| self.first_sample(at_us));
        since.max(at_us.saturating_sub(LONGEST_HISS_US))
    }

    fn rise(&mut self, since: Option<u64>, frames: u32, at_us: u64) -> Option<Change> {
        let since = self.since(since, at_us);
        if frames * FRAME_MS < self.config.start_ms {
            self.state = State::Quiet { since: Some(since), frames };
            return None;
        }
        self.state = State::Speaking { last: self.last_sample(at_us), quiet: 0 };
        Some(Change::Started { at_us: since })
    }

    fn fall(&mut self, last: u64, quiet: u32) -> Option<Change> {
        if quiet * FRAME_MS < self.config.end_ms {
            self.state = State::Speaking { last, quiet };
            return None;
        }
        self.state = QUIET;
        Some(Change::Ended { at_us: last })
    }

    fn first_sample(&self, at_us: u64) -> u64 {
        let slice = self.loud_slices().position(|loud| loud).unwrap_or(0);
        at_us + slice as u64 * SLICE_US
    }

    fn last_sample(&self, at_us: u64) -> u64 {
        let loud = self.loud_slices().enumerate().filter(|(_, loud)| *loud);
        loud.last().map_or(at_us + FRAME_US, |(slice, _)| at_us + (slice as u64 + 1) * SLICE_US)
    }

    fn loud_slices(&self) -> impl Iterator<Item = bool> {
        let threshold = self.config.least_dbfs.max(self.floor + self.config.continue_db);
        self.filtered.chunks(SLICE).map(move |slice| dbfs(slice) >= threshold)
    }
}

/// Root mean square level relative to full scale.
#[expect(clippy::cast_precision_loss, reason = "a frame has hundreds of samples")]
fn dbfs(samples: &[f32]) -> f32 {
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    (10.0 * (power / (32_768.0 * 32_768.0)).log10()).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests;
