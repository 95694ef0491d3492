//! Music for a caller who waits: ours, made sample by sample.
//!
//! A slow arpeggio over a bass, eight seconds long. Notes ring over the end of the loop into its
//! beginning, so there is no seam. It is as loud as a voice on the telephone should be, about −26
//! dBFS, fades in and out so that it never clicks, and goes on where it was when it is heard again.

use std::f32::consts::TAU;

/// Frequencies of the melody, one note each half second: inside the telephone's band.
const MELODY: [f32; 16] = [
    523.25, 659.26, 783.99, 659.26, 440.0, 523.25, 659.26, 523.25, 349.23, 440.0, 523.25, 440.0, 392.0,
    493.88, 587.33, 493.88,
];
/// One note each two seconds.
const BASS: [f32; 4] = [261.63, 220.0, 174.61, 196.0];
const MELODY_EVERY_MS: u64 = 500;
const BASS_EVERY_MS: u64 = 2_000;
/// Notes of one part that sound at the same time.
const MELODY_VOICES: u64 = 3;
const BASS_VOICES: u64 = 2;
/// Amplitudes that give −26 dBFS together.
const MELODY_LEVEL: f32 = 2_300.0;
const BASS_LEVEL: f32 = 1_700.0;
const FADE_IN_S: f32 = 0.25;
const FADE_OUT_S: f32 = 0.06;

/// Plays until it is stopped, and goes on where it was.
#[derive(Debug)]
pub(crate) struct Music {
    rate: u32,
    position: u64,
    plays: bool,
    /// From 0, silent, to 1.
    gain: f32,
}

impl Music {
    pub(crate) const fn new(rate: u32) -> Self {
        Self { rate, position: 0, plays: false, gain: 0.0 }
    }

    pub(crate) fn play(&mut self) {
        self.plays = true;
    }

    pub(crate) fn stop(&mut self) {
        self.plays = false;
    }

    /// Adds the next samples to a frame.
    pub(crate) fn add_to(&mut self, frame: &mut [i16]) {
        for sample in frame {
            self.fade();
            if self.gain <= 0.0 {
                return;
            }
            #[expect(clippy::cast_possible_truncation, reason = "far below the limit, and saturating")]
            let note = (self.gain * self.sample()) as i16;
            *sample = sample.saturating_add(note);
            self.position += 1;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a sample rate")]
    fn fade(&mut self) {
        let rate = self.rate as f32;
        let step = if self.plays { 1.0 / (FADE_IN_S * rate) } else { -1.0 / (FADE_OUT_S * rate) };
        self.gain = (self.gain + step).clamp(0.0, 1.0);
    }

    fn sample(&self) -> f32 {
        let part = |notes: &[f32], every_ms, voices, level: f32| {
            let every = u64::from(self.rate) * every_ms / 1_000;
            let ringing = |back: u64| ringing(notes, self.position, every, back, voices, self.rate);
            (0..voices).map(ringing).sum::<f32>() * level
        };
        part(&MELODY, MELODY_EVERY_MS, MELODY_VOICES, MELODY_LEVEL)
            + part(&BASS, BASS_EVERY_MS, BASS_VOICES, BASS_LEVEL)
    }
}

/// What is heard at `position` of the note that began `back` notes ago: a soft stroke that dies
/// away until its voice is needed again.
#[expect(clippy::cast_precision_loss, reason = "samples of a few seconds")]
fn ringing(notes: &[f32], position: u64, every: u64, back: u64, voices: u64, rate: u32) -> f32 {
    let count = notes.len() as u64;
    // As if the loop had always been playing.
    let now = position / every + count * voices;
    let index = usize::try_from((now - back) % count).unwrap_or_default();
    let Some(frequency) = notes.get(index) else { return 0.0 };
    let age = (position % every + back * every) as f32 / rate as f32;
    let life = (every * voices) as f32 / rate as f32;
    let stroke = (age / 0.02).min(1.0);
    let left = 1.0 - age / life;
    let phase = TAU * (frequency * age).fract();
    (phase.sin() + 0.3 * (2.0 * phase).sin()) * stroke * left * left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(rate: u32, seconds: u32) -> Vec<i16> {
        let mut music = Music::new(rate);
        music.play();
        let mut all = Vec::new();
        for _ in 0..seconds * 50 {
            let mut frame = vec![0; rate as usize / 50];
            music.add_to(&mut frame);
            all.extend(frame);
        }
        all
    }

    fn level_db(samples: &[i16]) -> f64 {
        let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        10.0 * (power / samples.len() as f64 / 32_768.0_f64.powi(2)).log10()
    }

    fn steepest(samples: &[i16]) -> u16 {
        samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap_or(0)
    }

    #[test]
    fn it_is_as_loud_as_a_voice_and_never_too_loud_at_every_rate() {
        for rate in [8_000, 48_000] {
            let samples = played(rate, 17);
            let level = level_db(&samples[rate as usize..]);
            assert!((-28.0..-24.0).contains(&level), "{level} dBFS at {rate} Hz");
            assert!(samples.iter().all(|sample| sample.unsigned_abs() < 12_000));
        }
    }

    #[test]
    fn the_loop_has_no_seam_and_begins_anew_with_the_same_sound() {
        let samples = played(8_000, 24);
        let around = |second: usize| &samples[second * 8_000 - 80..second * 8_000 + 80];
        let inside = steepest(&samples[8_000..15 * 8_000]);
        assert!(steepest(around(8)) <= inside && steepest(around(16)) <= inside);
        // Past the fade, the second and third time sound the same.
        assert_eq!(samples[9 * 8_000..15 * 8_000], samples[17 * 8_000..23 * 8_000]);
    }

    #[test]
    fn it_fades_in_and_out_and_goes_on_where_it_was() {
        let mut music = Music::new(8_000);
        let mut frame = [0; 160];
        music.add_to(&mut frame);
        assert_eq!(frame, [0; 160], "nothing plays yet");
        music.play();
        music.add_to(&mut frame);
        assert!(frame.iter().all(|sample| sample.unsigned_abs() < 1_000), "it begins softly");
        for _ in 0..50 {
            music.add_to(&mut [0; 160]);
        }
        music.stop();
        let mut tail = [0; 960];
        music.add_to(&mut tail);
        assert!(tail[..160].iter().any(|sample| *sample != 0) && tail[480..].iter().all(|s| *s == 0));
        let stopped = music.position;
        music.add_to(&mut [0; 160]);
        assert_eq!(music.position, stopped, "it waits");
    }

    #[test]
    fn it_is_heard_under_a_voice_without_overflow() {
        let mut music = Music::new(8_000);
        music.play();
        let mut frame = [i16::MAX; 8_000];
        music.add_to(&mut frame);
        assert!(frame.iter().all(|sample| *sample > 0));
    }
}
