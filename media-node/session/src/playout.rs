//! What the agent says, on its way to the wire, counted sample by sample.
//!
//! Audio waits here until the engine says `Play`; it holds and goes on at frame boundaries. What
//! belongs to an utterance that is not open falls on the floor, so a stopped utterance is silent
//! from the next frame on, whatever the voice still sends. Silence at the head of an utterance is
//! cut off, and the words' times move with it.

use std::collections::{BTreeMap, VecDeque};
use talkif_call_engine::io::{Generation, Input, Word};
use talkif_media::fade::Fade;

/// Below this a sample at the head of an utterance is silence: about −44 dBFS.
const AUDIBLE: u16 = 200;
/// Left before the first audible sample, so that no consonant is clipped.
const LEAD_IN_MS: usize = 10;
/// While an utterance plays, the engine hears of it this often.
const REPORT_MS: u64 = 100;

/// Whether an utterance may be handed to the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Held,
    Playing,
    Paused,
}

#[derive(Debug)]
struct Utterance {
    gate: Gate,
    pcm: VecDeque<i16>,
    /// Samples cut off at the head; `None` while the head is still all silence.
    trimmed: Option<usize>,
    silent: usize,
    /// Words that came before it was known how much is cut off.
    early_words: Vec<Word>,
    received: u64,
    played: u64,
    reported_ms: Option<u64>,
    complete: bool,
}

impl Utterance {
    const fn new() -> Self {
        Self {
            gate: Gate::Held,
            pcm: VecDeque::new(),
            trimmed: None,
            silent: 0,
            early_words: Vec::new(),
            received: 0,
            played: 0,
            reported_ms: None,
            complete: false,
        }
    }

    fn is_finished(&self) -> bool {
        self.complete && self.pcm.is_empty()
    }
}

/// All utterances of a call that are not over.
#[derive(Debug)]
pub(crate) struct Playout {
    rate: usize,
    open: BTreeMap<Generation, Utterance>,
    /// What remains of a stopped utterance: its fade.
    tail: Option<(Vec<i16>, Fade)>,
}

impl Playout {
    pub(crate) const fn new(rate: u32) -> Self {
        Self { rate: rate as usize, open: BTreeMap::new(), tail: None }
    }

    /// Text of the utterance is on its way to the voice.
    pub(crate) fn open(&mut self, generation: Generation) {
        self.open.entry(generation).or_insert_with(Utterance::new);
    }

    pub(crate) fn play(&mut self, generation: Generation) {
        self.set_gate(generation, Gate::Playing);
    }

    /// Holds the utterance at the next frame and tells exactly how far it came.
    pub(crate) fn pause(&mut self, generation: Generation) -> Option<Input> {
        self.set_gate(generation, Gate::Paused);
        let rate = self.rate;
        self.open.get_mut(&generation)?.report(generation, rate, 1)
    }

    fn set_gate(&mut self, generation: Generation, gate: Gate) {
        if let Some(utterance) = self.open.get_mut(&generation) {
            utterance.gate = gate;
        }
    }

    /// Drops the utterance. If it was sounding, its next samples fade out over `fade_ms`, so that
    /// the stop makes no click; they are not counted as played.
    pub(crate) fn stop(&mut self, generation: Generation, fade_ms: u32) {
        let Some(utterance) = self.open.remove(&generation) else { return };
        let length = self.samples(fade_ms as usize);
        if utterance.gate == Gate::Playing && utterance.played > 0 {
            self.tail = Some((utterance.pcm.into_iter().take(length).collect(), Fade::fade_out(length)));
        }
    }

    /// Whether the utterance is on the wire.
    pub(crate) fn is_sounding(&self, generation: Generation) -> bool {
        self.open.get(&generation).is_some_and(|said| said.gate == Gate::Playing && said.played > 0)
    }

    /// Whether the next frame is the end of a stopped utterance.
    pub(crate) const fn is_fading(&self) -> bool {
        self.tail.is_some()
    }

    /// Drops everything at once.
    pub(crate) fn silence(&mut self) {
        self.open.clear();
        self.tail = None;
    }

    /// Takes audio from the voice.
    pub(crate) fn audio(&mut self, generation: Generation, pcm: &[i16]) -> Vec<Input> {
        let lead_in = self.samples(LEAD_IN_MS);
        let rate = self.rate;
        let Some(utterance) = self.open.get_mut(&generation) else { return Vec::new() };
        if utterance.trimmed.is_some() {
            utterance.received += pcm.len() as u64;
            utterance.pcm.extend(pcm);
            return Vec::new();
        }
        let Some(first) = pcm.iter().position(|sample| sample.unsigned_abs() > AUDIBLE) else {
            utterance.silent += pcm.len();
            return Vec::new();
        };
        let cut = first.saturating_sub(lead_in);
        let rest = pcm.get(cut..).unwrap_or_default();
        utterance.received = rest.len() as u64;
        utterance.pcm.extend(rest);
        utterance.start(generation, utterance.silent + cut, rate)
    }

    /// Takes word times from the voice.
    pub(crate) fn words(&mut self, generation: Generation, words: Vec<Word>) -> Vec<Input> {
        let rate = self.rate;
        match self.open.get_mut(&generation) {
            None => Vec::new(),
            Some(utterance) => match utterance.trimmed {
                None => {
                    utterance.early_words.extend(words);
                    Vec::new()
                }
                Some(cut) => vec![shifted(generation, words, milliseconds(cut, rate))],
            },
        }
    }

    /// The voice has sent all audio of the utterance.
    pub(crate) fn complete(&mut self, generation: Generation) -> Vec<Input> {
        let rate = self.rate;
        let Some(utterance) = self.open.get_mut(&generation) else { return Vec::new() };
        let mut inputs = Vec::new();
        if utterance.trimmed.is_none() {
            inputs.extend(utterance.start(generation, utterance.silent, rate));
        }
        utterance.complete = true;
        inputs.push(Input::TtsDone { generation, audio_ms: milliseconds64(utterance.received, rate) });
        inputs
    }

    /// Fills the next frame for the wire and tells the engine what was played with it.
    ///
    /// Where the voice does not keep up, the frame is silence and counts for nothing.
    pub(crate) fn next_frame(&mut self, frame: &mut [i16]) -> Vec<Input> {
        frame.fill(0);
        if let Some((mut tail, mut fade)) = self.tail.take() {
            fade.apply(&mut tail);
            frame.iter_mut().zip(tail).for_each(|(to, from)| *to = from);
            return Vec::new();
        }
        let rate = self.rate;
        let playing = self.open.iter_mut().find(|(_, utterance)| utterance.gate == Gate::Playing);
        let Some((&generation, utterance)) = playing else { return Vec::new() };
        let inputs = utterance.play_into(frame, generation, rate);
        if utterance.is_finished() {
            self.open.remove(&generation);
        }
        inputs
    }

    /// Whether something sounds, or would if the engine did not hold it.
    #[cfg(test)]
    fn is_open(&self, generation: Generation) -> bool {
        self.open.contains_key(&generation)
    }

    const fn samples(&self, ms: usize) -> usize {
        self.rate * ms / 1_000
    }
}

impl Utterance {
    /// The first audible sample has come, or none will.
    fn start(&mut self, generation: Generation, cut: usize, rate: usize) -> Vec<Input> {
        self.trimmed = Some(cut);
        let leading_silence_ms = milliseconds(cut, rate);
        let started = Input::TtsStarted { generation, leading_silence_ms };
        let early = std::mem::take(&mut self.early_words);
        let words = (!early.is_empty()).then(|| shifted(generation, early, leading_silence_ms));
        std::iter::once(started).chain(words).collect()
    }

    fn play_into(&mut self, frame: &mut [i16], generation: Generation, rate: usize) -> Vec<Input> {
        // A frame cut short by a slow voice would click: wait until it is whole, or the last one.
        let starved = self.pcm.len() < frame.len() && !self.complete;
        if !starved {
            let length = self.pcm.len().min(frame.len());
            frame.iter_mut().zip(self.pcm.drain(..length)).for_each(|(to, from)| *to = from);
            self.played += length as u64;
        }
        if self.is_finished() {
            let played_ms = milliseconds64(self.played, rate);
            return vec![Input::PlayoutFinished { generation, played_ms }];
        }
        // Where it stands still, the exact position counts: what follows may never come.
        let every_ms = if starved { 1 } else { REPORT_MS };
        self.report(generation, rate, every_ms).into_iter().collect()
    }

    /// The position, if it has moved by `every_ms` since it was told last.
    fn report(&mut self, generation: Generation, rate: usize, every_ms: u64) -> Option<Input> {
        let played_ms = milliseconds64(self.played, rate);
        let due = self.reported_ms.map_or(self.played > 0, |last| played_ms >= last + every_ms);
        due.then(|| {
            self.reported_ms = Some(played_ms);
            Input::Played { generation, played_ms }
        })
    }
}

fn shifted(generation: Generation, words: Vec<Word>, by_ms: u64) -> Input {
    let shift = |word: Word| Word {
        start_ms: word.start_ms.saturating_sub(by_ms),
        end_ms: word.end_ms.saturating_sub(by_ms),
        ..word
    };
    Input::TtsWords { generation, words: words.into_iter().map(shift).collect() }
}

const fn milliseconds(samples: usize, rate: usize) -> u64 {
    milliseconds64(samples as u64, rate)
}

const fn milliseconds64(samples: u64, rate: usize) -> u64 {
    if rate == 0 { 0 } else { samples * 1_000 / rate as u64 }
}

#[cfg(test)]
mod tests;
