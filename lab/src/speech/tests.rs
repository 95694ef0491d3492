use super::*;
use proptest::prelude::*;

const SENTENCE: &str =
    "Hello, this is Ece. Şimdi görüşelim, İyi günler! 15:30 works; ece.yilmaz@helena.example okay?";

fn samples(text: &str, rate: u32) -> Vec<i16> {
    encode_text(text, rate, Voice::Agent).into_iter().flat_map(|word| word.samples).collect()
}

fn hear(samples: &[i16], rate: u32) -> Vec<String> {
    let mut decoder = Decoder::new(rate).unwrap();
    samples.chunks(rate as usize / 50).flat_map(|c| decoder.push(c)).map(|heard| heard.word).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

/// A small generator, so that noise and losses are the same in every run.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Loses 20 ms frames and conceals them as a receiver does: the last frame again, softer.
fn lossy(samples: &[i16], loss: f64, seed: u64) -> Vec<i16> {
    let mut chance = random(seed);
    let mut last = vec![0; 160];
    let mut out = Vec::new();
    for frame in samples.chunks(160) {
        if chance() < loss {
            last.iter_mut().for_each(|s| *s = (f32::from(*s) * 0.7) as i16);
        } else {
            last = frame.to_vec();
        }
        out.extend(&last);
    }
    out
}

#[test]
fn what_is_said_is_heard_with_its_times() {
    let said = encode_text(SENTENCE, 8000, Voice::Agent);
    let audio: Vec<i16> = said.iter().flat_map(|word| word.samples.clone()).collect();
    let heard = Decoder::new(8000).unwrap().push(&audio);
    assert_eq!(heard.len(), said.len());
    for (heard, said) in heard.iter().zip(&said) {
        assert_eq!((&heard.word, heard.voice), (&said.text, Voice::Agent));
        assert!(heard.start_ms.abs_diff(said.start_ms) <= 6, "{heard:?} {said:?}");
        assert!(heard.end_ms.abs_diff(said.end_ms) <= 6, "{heard:?} {said:?}");
    }
}

#[test]
fn speech_has_the_pace_of_a_person() {
    let text = "We offer a master's program in data science that starts in the fall and costs twelve \
                thousand euros a year, would that be within your budget or should we look at others?";
    let minutes = samples(text, 8000).len() as f64 / 8000.0 / 60.0;
    let pace = words(text).len() as f64 / minutes;
    assert!((150.0..=185.0).contains(&pace), "{pace} words per minute");
    assert!(encode_text("I a", 8000, Voice::Caller).iter().all(|w| w.end_ms - w.start_ms >= 180));
}

#[test]
fn speech_is_loud_in_every_frame() {
    let audio = samples(SENTENCE, 8000);
    let level = |frame: &[i16]| {
        let power = frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64;
        20.0 * (power.sqrt() / 32768.0).max(1e-9).log10()
    };
    assert!((-22.0..=-18.0).contains(&level(&audio)), "{}", level(&audio));
    let quiet: Vec<bool> = audio.chunks(160).map(|frame| level(frame) < -40.0).collect();
    assert!(!quiet.windows(3).any(|w| w == [true; 3]), "no gap of 60 ms");
}

#[test]
fn both_laws_of_g711_carry_it() {
    for law in [talkif_media::g711::Law::Mu, talkif_media::g711::Law::A] {
        let coded: Vec<i16> = samples(SENTENCE, 8000).iter().map(|s| law.decode(law.encode(*s))).collect();
        assert_eq!(hear(&coded, 8000), words(SENTENCE));
    }
}

#[test]
fn other_sample_rates_and_resamplers_carry_it() {
    for rate in [16_000, 24_000, 44_100, 48_000] {
        let down = resample(&samples(SENTENCE, rate), rate, 8000);
        assert_eq!(hear(&down, 8000), words(SENTENCE), "{rate} down");
    }
    for rate in [16_000, 48_000] {
        assert_eq!(hear(&samples(SENTENCE, rate), rate), words(SENTENCE), "{rate} direct");
        assert_eq!(hear(&resample(&samples(SENTENCE, 8000), 8000, rate), rate), words(SENTENCE), "{rate} up");
    }
}

#[test]
fn lost_frames_cost_few_words_and_never_change_one() {
    let text = SENTENCE.repeat(20).replace("?H", "? H");
    let audio = samples(&text, 8000);
    for seed in 0..5 {
        let heard = hear(&lossy(&audio, 0.03, seed), 8000);
        let said = words(&text);
        assert!(heard.iter().all(|word| said.contains(word)));
        assert!(heard.len() * 1000 >= said.len() * 990, "{} of {}", heard.len(), said.len());
    }
}

#[test]
fn frames_that_a_jitter_buffer_inserts_or_drops_do_not_hurt() {
    let audio = samples("good afternoon everybody", 8000);
    for at in (0..audio.len() - 320).step_by(160) {
        let inserted = [&audio[..at + 160], &audio[at..]].concat();
        assert_eq!(hear(&inserted, 8000), words("good afternoon everybody"), "inserted at {at}");
        let dropped = [&audio[..at], &audio[at + 160..]].concat();
        assert_eq!(hear(&dropped, 8000), words("good afternoon everybody"), "dropped at {at}");
    }
}

#[test]
fn a_cut_utterance_is_heard_up_to_the_cut() {
    let said = encode_text("one two three four", 8000, Voice::Agent);
    let audio: Vec<i16> = said.iter().flat_map(|word| word.samples.clone()).collect();
    for cut_ms in (0..audio.len() as u64 / 8).step_by(10) {
        let mut cut = audio.clone();
        cut[cut_ms as usize * 8..].fill(0);
        cut.resize(cut.len() + 4000, 0);
        let whole = said.iter().filter(|word| word.end_ms <= cut_ms).count();
        let nearly = said.iter().filter(|word| word.end_ms <= cut_ms + 40).count();
        let heard = hear(&cut, 8000);
        assert!((whole..=nearly).contains(&heard.len()), "cut at {cut_ms}: {heard:?}");
        assert_eq!(heard[..], words("one two three four")[..heard.len()]);
    }
}

#[test]
fn a_word_that_another_one_cuts_is_not_heard() {
    let mut audio = samples("extraordinary", 8000);
    audio.truncate(audio.len() / 2);
    audio.extend(samples("stop", 8000));
    assert_eq!(hear(&audio, 8000), ["stop"]);
}

#[test]
fn noise_and_keys_are_not_words() {
    let mut noise = random(7);
    let hiss: Vec<i16> = (0..80_000).map(|_| (noise() * 20_000.0 - 10_000.0) as i16).collect();
    assert!(hear(&hiss, 8000).is_empty());
    let key = |n: i32| (f64::from(n) * 0.547).sin() * 6000.0 + (f64::from(n) * 1.05).sin() * 6000.0;
    assert!(hear(&(0..16_000).map(|n| key(n) as i16).collect::<Vec<_>>(), 8000).is_empty());
}

#[test]
fn a_rate_between_thousands_is_refused() {
    assert_eq!(Decoder::new(44_100).unwrap_err(), UnsupportedRate(44_100));
    assert_eq!(Decoder::new(4000).unwrap_err(), UnsupportedRate(4000));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_words_survive_offset_gain_bias_and_noise(
        said in proptest::collection::vec("[a-zA-ZçğıöşüÇĞİÖŞÜ0-9@.,!?'-]{1,24}", 1..6),
        offset in 0_usize..400,
        gain_db in -12.0_f64..6.0,
        bias in -800_i16..800,
        seed in any::<u64>(),
    ) {
        let text = said.join(" ");
        let mut noise = random(seed);
        let gain = 10_f64.powf(gain_db / 20.0);
        // Uniform noise of the amplitude a·√3 has the power a²; 20 dB under −20 dBFS.
        let amplitude = 327.0 * gain * 3_f64.sqrt();
        let mut audio = vec![0_i16; offset];
        audio.extend(samples(&text, 8000));
        let line: Vec<i16> = audio
            .iter()
            .map(|s| (f64::from(*s) * gain + f64::from(bias) + (noise() * 2.0 - 1.0) * amplitude) as i16)
            .collect();
        prop_assert_eq!(hear(&line, 8000), words(&text));
    }

    #[test]
    fn nothing_wrong_is_ever_heard(
        said in proptest::collection::vec("[a-zçğışöü]{1,20}", 1..8),
        loss in 0.0_f64..0.5,
        seed in any::<u64>(),
    ) {
        let text = said.join(" ");
        let heard = hear(&lossy(&samples(&text, 8000), loss, seed), 8000);
        prop_assert!(heard.iter().all(|word| said.contains(word)), "{:?} from {:?}", heard, said);
    }
}
