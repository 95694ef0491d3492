//! Short ramps, so that sound that starts or stops in the middle makes no click.

/// A linear ramp over some samples that may span several frames.
#[derive(Debug, Clone)]
pub struct Fade {
    done: usize,
    length: usize,
    rising: bool,
}

impl Fade {
    /// From silence to full level over `length` samples.
    #[must_use]
    pub const fn fade_in(length: usize) -> Self {
        Self { done: 0, length, rising: true }
    }

    /// From full level to silence over `length` samples.
    #[must_use]
    pub const fn fade_out(length: usize) -> Self {
        Self { done: 0, length, rising: false }
    }

    /// Applies the next part of the ramp. After a fade-out's end everything is silence.
    pub fn apply(&mut self, samples: &mut [i16]) {
        for sample in samples {
            let position = ratio(self.done, self.length);
            let gain = if self.rising { position } else { 1.0 - position };
            *sample = scale(*sample, gain);
            self.done = self.length.min(self.done + 1);
        }
    }

    /// Whether the ramp is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.done >= self.length
    }
}

/// Mixes `from` into `to` in place: starts as `from`, ends as `to`. Covers the shorter length.
pub fn cross(from: &[i16], to: &mut [i16]) {
    let length = from.len().min(to.len());
    for (done, (old, new)) in from.iter().zip(to).enumerate() {
        let position = ratio(done + 1, length + 1);
        *new = scale(*old, 1.0 - position).saturating_add(scale(*new, position));
    }
}

/// `sample` times `gain`, saturating.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
pub fn scale(sample: i16, gain: f32) -> i16 {
    (f32::from(sample) * gain).round() as i16
}

#[expect(clippy::cast_precision_loss, reason = "ramps are thousands of samples at most")]
fn ratio(done: usize, length: usize) -> f32 {
    if length == 0 { 1.0 } else { done as f32 / length as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fade_out_spans_frames_and_ends_in_silence() {
        let mut fade = Fade::fade_out(240);
        let (mut first, mut second) = ([10_000; 160], [10_000; 160]);
        fade.apply(&mut first);
        assert!(!fade.is_over());
        fade.apply(&mut second);
        assert!(fade.is_over());
        assert_eq!(first[0], 10_000);
        assert!(first.is_sorted_by(|a, b| a >= b) && first[159] > second[0]);
        assert!(second[80..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn a_fade_in_starts_at_zero() {
        let mut frame = [-10_000; 160];
        Fade::fade_in(80).apply(&mut frame);
        assert_eq!((frame[0], frame[80]), (0, -10_000));
    }

    #[test]
    fn a_cross_fade_has_no_step_at_either_end() {
        let mut to = [4_000; 40];
        cross(&[-4_000; 40], &mut to);
        assert!(to[0] < -3_500 && to[39] > 3_500);
        assert!(to.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 300));
    }
}
