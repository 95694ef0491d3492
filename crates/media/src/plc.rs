//! Packet loss concealment, in the manner of G.711 appendix I: repeat the last pitch period,
//! fade it out over 60 ms, and blend back into the real signal.
//!
//! For 8 kHz. Feed every good frame to [`Concealer::good`] and ask [`Concealer::lost`] for every
//! missing one.

use crate::fade;

/// Longest pitch period looked for: 15 ms, 66 Hz.
const MAX_PITCH: usize = 120;
/// Shortest: 5 ms, 200 Hz. Higher voices are found at a multiple of their period.
const MIN_PITCH: usize = 40;
/// Samples compared when looking for the pitch: 20 ms.
const WINDOW: usize = 160;
/// What is remembered of the past.
const HISTORY: usize = MAX_PITCH + WINDOW;
/// The first 10 ms are played at full level …
const FULL_SAMPLES: usize = 80;
/// … and at 60 ms the sound has faded to silence: longer repetition sounds like a robot.
const SILENT_SAMPLES: usize = 480;
/// Blend between concealment and the returning signal: 5 ms.
const BLEND: usize = 40;

/// The state of one stream.
#[derive(Debug, Clone)]
pub struct Concealer {
    history: Vec<i16>,
    loss: Option<Loss>,
}

#[derive(Debug, Clone)]
struct Loss {
    /// One pitch period, joined to itself without a step, in its first `pitch` samples.
    period: [i16; MAX_PITCH],
    pitch: usize,
    /// Samples made up so far.
    made: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self { history: vec![0; HISTORY], loss: None }
    }
}

impl Concealer {
    /// A frame that arrived; its head is blended if it follows a gap.
    pub fn good(&mut self, frame: &mut [i16]) {
        if let Some(mut loss) = self.loss.take() {
            let mut tail = [0; BLEND];
            loss.make(&mut tail);
            fade::cross(&tail, frame);
        }
        self.remember(frame);
    }

    /// Fills a frame that did not arrive. Returns false once the concealment has faded to
    /// silence.
    pub fn lost(&mut self, frame: &mut [i16]) -> bool {
        let loss = self.loss.get_or_insert_with(|| Loss::after(&self.history));
        let audible = loss.made < SILENT_SAMPLES;
        loss.make(frame);
        audible
    }

    fn remember(&mut self, frame: &[i16]) {
        let keep = HISTORY.saturating_sub(frame.len());
        self.history.drain(..self.history.len() - keep);
        self.history.extend(&frame[frame.len().saturating_sub(HISTORY)..]);
    }
}

impl Loss {
    fn after(history: &[i16]) -> Self {
        let pitch = pitch_of(history);
        let start = history.len() - pitch;
        let mut period = [0; MAX_PITCH];
        period[..pitch].copy_from_slice(&history[start..]);
        // The end of the period is blended into what preceded its start, so that playing it
        // round and round has no step at the seam.
        let seam = pitch / 4;
        let mut lead_in = [0; MAX_PITCH / 4];
        lead_in[..seam].copy_from_slice(&history[start - seam..start]);
        fade::cross(&period[pitch - seam..pitch], &mut lead_in[..seam]);
        period[pitch - seam..pitch].copy_from_slice(&lead_in[..seam]);
        Self { period, pitch, made: 0 }
    }

    fn make(&mut self, frame: &mut [i16]) {
        for sample in frame {
            *sample = fade::scale(self.period[self.made % self.pitch], gain(self.made));
            self.made += 1;
        }
    }
}

/// Level of the `made`-th concealed sample.
#[expect(clippy::cast_precision_loss, reason = "at most 480")]
fn gain(made: usize) -> f32 {
    let faded = made.clamp(FULL_SAMPLES, SILENT_SAMPLES) - FULL_SAMPLES;
    1.0 - faded as f32 / (SILENT_SAMPLES - FULL_SAMPLES) as f32
}

/// The lag at which the end of the past resembles itself most; the longest of equals.
fn pitch_of(history: &[i16]) -> usize {
    let recent = &history[history.len() - WINDOW..];
    let score = |lag: usize| {
        let earlier = &history[history.len() - WINDOW - lag..history.len() - lag];
        (correlation(recent, earlier), lag)
    };
    let scores = (MIN_PITCH..=MAX_PITCH).map(score);
    scores.max_by(|(a, _), (b, _)| a.total_cmp(b)).map_or(MAX_PITCH, |(_, lag)| lag)
}

/// Normalised by the energy of the earlier part, as in the appendix.
fn correlation(recent: &[i16], earlier: &[i16]) -> f32 {
    let product: f32 = recent.iter().zip(earlier).map(|(&a, &b)| f32::from(a) * f32::from(b)).sum();
    let energy: f32 = earlier.iter().map(|&sample| f32::from(sample).powi(2)).sum();
    product / energy.max(1.0).sqrt()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "test signals are small")]
mod tests {
    use super::*;

    fn tone(from: usize, length: usize) -> Vec<i16> {
        let at = |n: usize| (8_000.0 * (n as f32 * std::f32::consts::TAU * 125.0 / 8_000.0).sin()) as i16;
        (from..from + length).map(at).collect()
    }

    fn heard() -> Concealer {
        let mut concealer = Concealer::default();
        for frame in 0..5 {
            concealer.good(&mut tone(frame * 160, 160));
        }
        concealer
    }

    fn energy(frame: &[i16]) -> f32 {
        frame.iter().map(|&sample| f32::from(sample).powi(2)).sum()
    }

    #[test]
    fn a_lost_frame_of_a_voice_goes_on_in_pitch_and_phase() {
        let mut made = [0; 160];
        assert!(heard().lost(&mut made));
        let truth = tone(800, 160);
        let error: Vec<i16> = made.iter().zip(&truth).map(|(a, b)| a - b).collect();
        assert!(energy(&error[..80]) < energy(&truth[..80]) / 20.0, "the first 10 ms follow the tone");
    }

    #[test]
    fn concealment_fades_to_silence_within_60_ms() {
        let mut concealer = heard();
        let mut last = f32::MAX;
        for _ in 0..3 {
            let mut frame = [0; 160];
            assert!(concealer.lost(&mut frame));
            assert!(energy(&frame) < last);
            last = energy(&frame);
        }
        let mut frame = [1; 160];
        assert!(!concealer.lost(&mut frame));
        assert_eq!(frame, [0; 160]);
    }

    #[test]
    fn the_returning_signal_has_no_step() {
        let mut concealer = heard();
        let (mut made, mut back) = ([0; 160], tone(960, 160));
        concealer.lost(&mut made);
        concealer.good(&mut back);
        let joined = [&made[..], &back].concat();
        let step = joined.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
        assert!(step < 1_600, "{step}");
        assert_eq!(back[BLEND..], tone(960, 160)[BLEND..], "only 5 ms are blended");
    }

    #[test]
    fn losing_everything_from_the_start_is_silence() {
        let mut frame = [7; 160];
        Concealer::default().lost(&mut frame);
        assert_eq!(frame, [0; 160]);
    }
}
