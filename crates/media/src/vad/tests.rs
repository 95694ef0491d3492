#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "test signals are small")]

use super::*;
use std::f32::consts::TAU;

/// Samples of a signal at `rate`, from its formula in seconds.
fn signal(rate: u32, ms: u32, formula: impl FnMut(f32) -> f32) -> Vec<i16> {
    let count = rate / 1_000 * ms;
    (0..count).map(|n| n as f32 / rate as f32).map(formula).map(|value| value as i16).collect()
}

fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Something like a voice: a gliding fundamental of 120 Hz with formants, in syllables of 200 ms.
fn speech(rate: u32, ms: u32, level: f32) -> Vec<i16> {
    let mut phase = 0.0;
    signal(rate, ms, |t| {
        let pitch = 120.0 + 20.0 * (TAU * 0.7 * t).sin();
        phase += TAU * pitch / rate as f32;
        let formant = 600.0 + 250.0 * (TAU * 2.3 * t).sin();
        let harmonic = |k: f32| (k * phase).sin() / (1.0 + ((k * pitch - formant) / 250.0).powi(2));
        let voice: f32 = (1_u8..20).map(|k| harmonic(f32::from(k))).sum();
        let syllable = 0.15 + 0.85 * (TAU * 2.5 * t).sin().abs();
        level * voice * syllable
    })
}

fn changes(rate: u32, samples: &[i16]) -> Vec<Change> {
    let mut vad = Vad::new(rate, Config::default()).unwrap();
    let frames = samples.chunks_exact(rate as usize / 50);
    frames.enumerate().filter_map(|(n, frame)| vad.process(frame, n as u64 * FRAME_US)).collect()
}

fn mix(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

fn quiet(rate: u32, ms: u32) -> Vec<i16> {
    let mut noise = noise(1);
    signal(rate, ms, |_| noise() * 8.0)
}

#[test]
fn speech_is_found_with_the_times_of_its_first_and_last_sample() {
    for rate in [8_000, 48_000] {
        let samples = [quiet(rate, 1_000), speech(rate, 1_500, 6_000.0), quiet(rate, 1_000)].concat();
        let [Change::Started { at_us: start }, Change::Ended { at_us: end }] = changes(rate, &samples)[..]
        else {
            panic!("{rate}: {:?}", changes(rate, &samples));
        };
        assert!(start.abs_diff(1_000_000) <= 25_000, "{rate}: started at {start}");
        assert!(end.abs_diff(2_500_000) <= 25_000, "{rate}: ended at {end}");
    }
}

#[test]
fn quiet_speech_on_a_noisy_line_is_found() {
    let mut hiss = noise(3);
    let line = signal(8_000, 4_000, |_| hiss() * 60.0);
    let voice = [quiet(8_000, 1_500), speech(8_000, 1_500, 500.0), quiet(8_000, 1_000)].concat();
    let found = changes(8_000, &mix(&line, &voice));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn speech_from_the_very_first_frame_is_found() {
    let samples = [speech(8_000, 1_000, 5_000.0), quiet(8_000, 500)].concat();
    let found = changes(8_000, &samples);
    assert!(matches!(found[..], [Change::Started { at_us: 0..=100_000 }, Change::Ended { .. }]), "{found:?}");
}

#[test]
fn steady_noise_of_any_level_is_silence_from_the_start_and_when_it_sets_in() {
    for level in [30.0, 300.0, 3_000.0] {
        let mut hiss = noise(7);
        let steady = signal(8_000, 5_000, |_| hiss() * level);
        assert_eq!(changes(8_000, &steady), [], "{level}");
        assert_eq!(changes(8_000, &[quiet(8_000, 1_000), steady].concat()), [], "{level} after quiet");
    }
}

#[test]
fn hum_of_the_mains_is_silence() {
    for hertz in [50.0, 60.0] {
        let hum = signal(8_000, 5_000, |t| {
            3_000.0 * (TAU * hertz * t).sin() + 300.0 * (TAU * 2.0 * hertz * t).sin()
        });
        assert_eq!(changes(8_000, &[quiet(8_000, 1_000), hum].concat()), [], "{hertz}");
    }
}

#[test]
fn the_hiss_at_the_start_of_a_word_belongs_to_it_but_a_noisy_past_does_not() {
    let hiss = |ms| {
        let mut noise = noise(5);
        signal(8_000, ms, move |_| noise() * 1_500.0)
    };
    let word = [quiet(8_000, 1_000), hiss(80), speech(8_000, 600, 6_000.0), quiet(8_000, 500)].concat();
    let Some(Change::Started { at_us }) = changes(8_000, &word).first().copied() else { panic!("no speech") };
    assert!(at_us.abs_diff(1_000_000) <= 25_000, "{at_us}");
    let noisy = [quiet(8_000, 1_000), hiss(1_000), speech(8_000, 600, 9_000.0), quiet(8_000, 500)].concat();
    let Some(Change::Started { at_us }) = changes(8_000, &noisy).first().copied() else {
        panic!("no speech")
    };
    assert!((1_870_000..2_100_000).contains(&at_us), "{at_us}");
}

#[test]
fn clicks_are_silence() {
    let mut samples = quiet(8_000, 4_000);
    for at in [5_000, 12_345, 12_900, 20_000] {
        samples[at] = 30_000;
        samples[at + 1] = -20_000;
    }
    let burst = 26_000..26_000 + 240;
    for (n, sample) in samples[burst].iter_mut().enumerate() {
        *sample = if n % 9 < 4 { 12_000 } else { -12_000 };
    }
    assert_eq!(changes(8_000, &samples), []);
}

#[test]
fn a_pause_inside_a_word_does_not_end_speech_but_a_real_one_does() {
    let part = |ms| speech(8_000, ms, 5_000.0);
    let samples = [
        quiet(8_000, 500),
        part(400),
        quiet(8_000, 140),
        part(400),
        quiet(8_000, 400),
        part(400),
        quiet(8_000, 400),
    ];
    let found = changes(8_000, &samples.concat());
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn a_tone_that_never_ends_stops_counting_as_speech() {
    let tone = signal(8_000, 5_000, |t| 4_000.0 * (TAU * 440.0 * t).sin());
    let found = changes(8_000, &[quiet(8_000, 500), tone].concat());
    assert!(matches!(found[..], [] | [Change::Started { .. }, Change::Ended { .. }]), "{found:?}");
}

#[test]
fn a_monologue_of_twenty_seconds_is_one_utterance() {
    let samples = [quiet(8_000, 500), speech(8_000, 20_000, 4_000.0), quiet(8_000, 500)].concat();
    assert_eq!(changes(8_000, &samples).len(), 2);
}

#[test]
fn other_rates_are_refused() {
    assert!(Vad::new(44_100, Config::default()).is_err());
}
