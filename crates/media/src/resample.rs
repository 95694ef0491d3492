//! Changing the sample rate by a whole factor: 8 ↔ 16 ↔ 48 kHz, 24 → 8 kHz.
//!
//! A windowed-sinc low-pass, kept across calls, so that chunks of a stream join without clicks.

/// Taps on each side of the centre, per sample of the lower rate. 16 put the first alias of a
/// voice 50 dB down.
const HALF_TAPS: usize = 16;
/// Cut-off as a share of the lower rate's Nyquist frequency, leaving room for the slope.
const CUTOFF: f32 = 0.92;

/// A pair of rates that is not a whole factor apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot resample {from} Hz to {to} Hz: not a whole factor")]
pub struct UnsupportedRates {
    /// Source.
    pub from: u32,
    /// Target.
    pub to: u32,
}

/// A stateful converter of one stream.
#[derive(Debug, Clone)]
pub struct Resampler {
    down: usize,
    /// Input samples an output sample is made of.
    history: usize,
    /// The filter for each output sample between two input samples, one after the other, each
    /// for the oldest input sample first.
    taps: Vec<f32>,
    /// The last `history` samples of the input, oldest first.
    past: Vec<i16>,
    /// Input samples still to skip before the next output, when going down.
    skip: usize,
}

impl Resampler {
    /// A converter between two rates.
    ///
    /// # Errors
    /// If neither rate is a whole multiple of the other.
    pub fn new(from: u32, to: u32) -> Result<Self, UnsupportedRates> {
        let factor =
            |low: u32, high: u32| (low > 0 && high > 0 && high.is_multiple_of(low)).then(|| high / low);
        let (up, down) = match (factor(from, to), factor(to, from)) {
            (Some(up), _) => (up, 1),
            (_, Some(down)) => (1, down),
            _ => return Err(UnsupportedRates { from, to }),
        };
        let (up, down) = (up as usize, down as usize);
        let filter = low_pass(up.max(down), up);
        let history = filter.len() / up;
        let of_phase = |phase: usize| filter.iter().skip(phase).step_by(up).rev();
        let taps = (0..up).flat_map(of_phase).copied().collect();
        Ok(Self { down, history, taps, past: vec![0; history], skip: 0 })
    }

    /// Converts the next samples of the stream and appends the result to `into`. The filter
    /// delays by 16 samples of the lower rate.
    pub fn process(&mut self, samples: &[i16], into: &mut Vec<i16>) {
        self.past.extend_from_slice(samples);
        for heard in self.past.windows(self.history).skip(1) {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.skip = self.down - 1;
            into.extend(self.taps.chunks(self.history).map(|taps| filtered(taps, heard)));
        }
        self.past.drain(..samples.len());
    }

    /// Converts a whole piece at once.
    #[must_use]
    pub fn convert(mut self, samples: &[i16]) -> Vec<i16> {
        let mut converted = Vec::new();
        self.process(samples, &mut converted);
        converted
    }
}

/// One output sample. Eight sums at once, which the processor adds in parallel.
#[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
fn filtered(taps: &[f32], samples: &[i16]) -> i16 {
    const LANES: usize = 8;
    let ((taps, more_taps), (samples, more_samples)) =
        (taps.as_chunks::<LANES>(), samples.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (taps, samples) in taps.iter().zip(samples) {
        for ((sum, tap), sample) in sums.iter_mut().zip(taps).zip(samples) {
            *sum += tap * f32::from(*sample);
        }
    }
    let rest = more_taps.iter().zip(more_samples).map(|(tap, sample)| tap * f32::from(*sample));
    (sums.iter().sum::<f32>() + rest.sum::<f32>()).round() as i16
}

/// A Blackman-windowed sinc for a factor, with gain `gain` in the pass band.
#[expect(clippy::cast_precision_loss, reason = "a few hundred taps")]
fn low_pass(factor: usize, gain: usize) -> Vec<f32> {
    use std::f32::consts::{PI, TAU};
    if factor == 1 {
        return vec![1.0];
    }
    let count = 2 * HALF_TAPS * factor;
    let centre = count as f32 / 2.0;
    let cutoff = CUTOFF / factor as f32;
    let tap = |n: usize| {
        let x = (n as f32 - centre) * cutoff;
        let sinc = if x.abs() < 1e-6 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let turn = TAU * n as f32 / count as f32;
        sinc * (0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
    };
    let raw: Vec<f32> = (0..count).map(tap).collect();
    let sum: f32 = raw.iter().sum();
    raw.into_iter().map(|tap| tap * gain as f32 / sum).collect()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "test signals are small")]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f32, samples: usize) -> Vec<i16> {
        let at =
            |n: usize| (10_000.0 * (n as f32 * std::f32::consts::TAU * hertz / rate as f32).sin()) as i16;
        (0..samples).map(at).collect()
    }

    fn level(samples: &[i16]) -> f32 {
        let sum: f32 = samples.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        (sum / samples.len() as f32).sqrt() * std::f32::consts::SQRT_2
    }

    #[test]
    fn a_tone_keeps_its_level_both_ways() {
        for (from, to) in [
            (8_000, 16_000),
            (8_000, 48_000),
            (16_000, 48_000),
            (48_000, 8_000),
            (48_000, 16_000),
            (24_000, 8_000),
        ] {
            let out = Resampler::new(from, to).unwrap().convert(&tone(from, 1_000.0, from as usize));
            assert_eq!(out.len(), to as usize);
            let middle = level(&out[out.len() / 4..out.len() * 3 / 4]);
            assert!((9_700.0..10_300.0).contains(&middle), "{from} to {to}: {middle}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_removed() {
        let out = Resampler::new(48_000, 8_000).unwrap().convert(&tone(48_000, 6_000.0, 48_000));
        assert!(level(&out[1_000..]) < 50.0, "{}", level(&out[1_000..]));
    }

    #[test]
    fn chunks_join_as_if_they_were_one_piece() {
        let whole = tone(48_000, 700.0, 4_801);
        let mut resampler = Resampler::new(48_000, 8_000).unwrap();
        let mut joined = Vec::new();
        for chunk in whole.chunks(77) {
            resampler.process(chunk, &mut joined);
        }
        assert_eq!(joined, Resampler::new(48_000, 8_000).unwrap().convert(&whole));
    }

    #[test]
    fn the_same_rate_passes_through_and_odd_rates_are_refused() {
        let samples = tone(8_000, 300.0, 100);
        assert_eq!(Resampler::new(8_000, 8_000).unwrap().convert(&samples), samples);
        assert!(Resampler::new(44_100, 8_000).is_err());
        assert!(Resampler::new(0, 8_000).is_err());
    }
}
