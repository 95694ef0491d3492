use super::*;

const G: Generation = Generation(1);
const FRAME: usize = 160;

fn playing(pcm: &[i16]) -> Playout {
    let mut playout = Playout::new(8_000);
    playout.open(G);
    playout.audio(G, pcm);
    playout.play(G);
    playout
}

fn frame(playout: &mut Playout) -> (Vec<i16>, Vec<Input>) {
    let mut samples = vec![77; FRAME];
    let inputs = playout.next_frame(&mut samples);
    (samples, inputs)
}

fn is_silent(samples: &[i16]) -> bool {
    samples.iter().all(|sample| *sample == 0)
}

#[test]
fn nothing_sounds_before_play() {
    let mut playout = Playout::new(8_000);
    playout.open(G);
    playout.audio(G, &[1_000; 400]);
    assert!(is_silent(&frame(&mut playout).0));
    playout.play(G);
    assert_eq!(frame(&mut playout).0, [1_000; FRAME]);
}

#[test]
fn a_pause_is_silent_from_the_next_frame_and_loses_no_sample() {
    let ramp: Vec<i16> = (1_000..1_480).collect();
    let mut playout = playing(&ramp);
    let mut heard = frame(&mut playout).0;
    heard.extend(frame(&mut playout).0);
    assert_eq!(playout.pause(G), Some(Input::Played { generation: G, played_ms: 40 }));
    assert!(is_silent(&frame(&mut playout).0));
    playout.play(G);
    heard.extend(frame(&mut playout).0);
    assert_eq!(heard, ramp);
}

#[test]
fn played_is_told_with_the_first_frame_and_then_every_100_ms() {
    let mut playout = playing(&[1_000; FRAME * 12]);
    let told: Vec<_> = (0..12).flat_map(|_| frame(&mut playout).1).collect();
    let played = |played_ms| Input::Played { generation: G, played_ms };
    assert_eq!(told, [played(20), played(120), played(220)]);
}

#[test]
fn a_slow_voice_makes_silence_that_counts_for_nothing() {
    let mut playout = playing(&[1_000; FRAME * 2 + 50]);
    frame(&mut playout);
    frame(&mut playout);
    let (samples, inputs) = frame(&mut playout);
    assert!(is_silent(&samples));
    assert_eq!(inputs, [Input::Played { generation: G, played_ms: 40 }]);
    assert!(frame(&mut playout).1.is_empty());
    playout.audio(G, &[1_000; 110]);
    playout.complete(G);
    let (samples, inputs) = frame(&mut playout);
    assert_eq!(samples, [1_000; FRAME]);
    assert_eq!(inputs, [Input::PlayoutFinished { generation: G, played_ms: 60 }]);
    assert!(!playout.is_open(G));
}

#[test]
fn the_last_frame_is_filled_up_with_silence() {
    let mut playout = playing(&[1_000; 100]);
    playout.complete(G);
    let (samples, inputs) = frame(&mut playout);
    assert_eq!(samples[..100], [1_000; 100]);
    assert!(is_silent(&samples[100..]));
    assert_eq!(inputs, [Input::PlayoutFinished { generation: G, played_ms: 12 }]);
}

#[test]
fn a_stop_fades_within_one_frame_and_late_audio_falls_on_the_floor() {
    let mut playout = playing(&[8_000; 2_000]);
    frame(&mut playout);
    playout.stop(G, 10);
    playout.audio(G, &[8_000; 2_000]);
    let (samples, inputs) = frame(&mut playout);
    assert!(samples[0] > 7_000 && samples[79] < 200 && is_silent(&samples[80..]));
    assert!(inputs.is_empty());
    assert!(is_silent(&frame(&mut playout).0));
}

#[test]
fn a_stop_while_paused_makes_no_sound() {
    let mut playout = playing(&[8_000; 2_000]);
    frame(&mut playout);
    playout.pause(G);
    playout.stop(G, 10);
    assert!(is_silent(&frame(&mut playout).0));
}

#[test]
fn leading_silence_is_cut_and_words_move_with_it() {
    let mut playout = Playout::new(8_000);
    playout.open(G);
    let word = |start_ms, end_ms| Word { text: "Merhaba".into(), start_ms, end_ms };
    assert!(playout.words(G, vec![word(120, 400)]).is_empty());
    assert!(playout.audio(G, &[0; 800]).is_empty());
    let mut chunk = vec![0; 160];
    chunk.extend([5_000; 160]);
    let inputs = playout.audio(G, &chunk);
    let started = Input::TtsStarted { generation: G, leading_silence_ms: 110 };
    assert_eq!(inputs, [started, Input::TtsWords { generation: G, words: vec![word(10, 290)] }]);
    assert_eq!(
        playout.words(G, vec![word(400, 500)]),
        [Input::TtsWords { generation: G, words: vec![word(290, 390)] }]
    );
    assert_eq!(playout.complete(G), [Input::TtsDone { generation: G, audio_ms: 30 }]);
}

#[test]
fn an_utterance_without_sound_still_starts_and_finishes() {
    let mut playout = Playout::new(8_000);
    playout.open(G);
    playout.audio(G, &[0; 800]);
    let inputs = playout.complete(G);
    assert_eq!(inputs[0], Input::TtsStarted { generation: G, leading_silence_ms: 100 });
    assert_eq!(inputs[1], Input::TtsDone { generation: G, audio_ms: 0 });
    playout.play(G);
    assert_eq!(frame(&mut playout).1, [Input::PlayoutFinished { generation: G, played_ms: 0 }]);
}

#[test]
fn utterances_play_one_after_the_other() {
    let mut playout = playing(&[1_000; FRAME]);
    playout.complete(G);
    let next = Generation(2);
    playout.open(next);
    playout.audio(next, &[2_000; FRAME]);
    playout.play(next);
    assert_eq!(frame(&mut playout).0, [1_000; FRAME]);
    assert_eq!(frame(&mut playout).0, [2_000; FRAME]);
}
