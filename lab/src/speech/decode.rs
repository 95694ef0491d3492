//! Samples to words.
//!
//! Every 2 ms a 16 ms window is read. Where it looks like a sync symbol a block may begin; once
//! the block's symbols are in, the checksum decides. An intact copy tells the word, where it
//! began and where it will end. The word is reported when its end has really been heard.

use super::Voice;
use super::frame::{self, Copy, Piece, SYMBOL_MS};
use super::tones::{self, Digits, GROUPS, SYNC, TONES};
use std::collections::VecDeque;
use std::f32::consts::TAU;

/// Milliseconds between two readings.
const HOP_MS: i64 = 2;
const WINDOW_MS: usize = 16;
const HOPS_PER_SYMBOL: usize = SYMBOL_MS / HOP_MS as usize;
/// Readings kept: the longest block with room to spare.
const HISTORY: usize = 10 * HOPS_PER_SYMBOL;
/// Share of a group's energy in the right tone, averaged, that makes a sync symbol. Random data
/// reach a quarter.
const SYNC_SHARE: f32 = 0.7;
/// Mean square below which nobody speaks: about −64 dBFS.
const SILENCE: f32 = 400.0;
/// How far the start computed from a later copy may lie off: a jitter buffer that inserts or
/// drops frames moves it, yet less than half the shortest word.
const SAME_WORD_MS: i64 = 90;
/// The end of a word that must have been heard.
const TAIL_HOPS: usize = 20;

/// A word that was heard, with times in milliseconds since the first sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The word with its punctuation.
    pub word: String,
    /// Who said it.
    pub voice: Voice,
    /// Start.
    pub start_ms: u64,
    /// End.
    pub end_ms: u64,
}

/// The decoder reads rates that are whole multiples of 1000, from 8000 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no ear for {0} samples per second")]
pub struct UnsupportedRate(pub u32);

/// Listens to one stream.
#[derive(Debug)]
pub struct Decoder {
    hop: usize,
    window: usize,
    /// Cosine and sine of each tone over one window.
    waves: Vec<(Vec<f32>, Vec<f32>)>,
    buffer: Vec<f32>,
    readings: VecDeque<Reading>,
    /// Readings ever made.
    count: i64,
    /// Readings that look like sync symbols and whose blocks are not in yet.
    candidates: VecDeque<i64>,
    expected: Option<Expected>,
    /// What the last word decided about was, so that its last copy does not make it a new one.
    settled: Option<(Piece, i64)>,
    /// The head of a long word.
    started: Option<Heard>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    digits: Digits,
    sync: f32,
    power: f32,
}

/// A word of which a copy was read and whose end is still to be heard. Times in readings.
#[derive(Debug)]
struct Expected {
    copy: Copy,
    start: i64,
    end: i64,
    power: f32,
}

impl Decoder {
    /// Listens at `rate` samples per second.
    ///
    /// # Errors
    /// [`UnsupportedRate`] below 8000 or between thousands.
    pub fn new(rate: u32) -> Result<Self, UnsupportedRate> {
        if rate < 8000 || !rate.is_multiple_of(1000) {
            return Err(UnsupportedRate(rate));
        }
        let per_ms = rate as usize / 1000;
        let window = WINDOW_MS * per_ms;
        Ok(Self {
            hop: HOP_MS as usize * per_ms,
            window,
            waves: waves(window, rate),
            buffer: Vec::new(),
            readings: VecDeque::with_capacity(HISTORY),
            count: 0,
            candidates: VecDeque::new(),
            expected: None,
            settled: None,
            started: None,
        })
    }

    /// Hears more; returns the words whose ends lie in it.
    pub fn push(&mut self, samples: &[i16]) -> Vec<Heard> {
        self.buffer.extend(samples.iter().map(|sample| f32::from(*sample)));
        let mut words = Vec::new();
        let mut at = 0;
        while at + self.window <= self.buffer.len() {
            let reading = self.read(&self.buffer[at..at + self.window]);
            self.remember(reading);
            words.extend(self.advance());
            at += self.hop;
        }
        self.buffer.drain(..at);
        words
    }

    fn read(&self, window: &[f32]) -> Reading {
        let mean = window.iter().sum::<f32>() / window.len() as f32;
        let power = window.iter().map(|s| (s - mean) * (s - mean)).sum::<f32>() / window.len() as f32;
        let mut reading = Reading { digits: [0; GROUPS], sync: 0.0, power };
        if power < SILENCE {
            return reading;
        }
        for group in 0..GROUPS {
            let energies: [f32; TONES] =
                std::array::from_fn(|t| energy(window, &self.waves[group * TONES + t]));
            let loudest = (0..TONES).max_by(|a, b| energies[*a].total_cmp(&energies[*b])).unwrap_or(0);
            reading.digits[group] = loudest as u8;
            reading.sync += energies[usize::from(SYNC[group])] / energies.iter().sum::<f32>().max(1.0);
        }
        reading.sync /= GROUPS as f32;
        reading
    }

    fn remember(&mut self, reading: Reading) {
        if self.readings.len() == HISTORY {
            self.readings.pop_front();
        }
        if reading.sync >= SYNC_SHARE {
            self.candidates.push_back(self.count);
        }
        self.readings.push_back(reading);
        self.count += 1;
    }

    fn reading(&self, index: i64) -> Option<&Reading> {
        let oldest = self.count - self.readings.len() as i64;
        usize::try_from(index - oldest).ok().and_then(|offset| self.readings.get(offset))
    }

    fn advance(&mut self) -> Option<Heard> {
        let candidates = std::mem::take(&mut self.candidates);
        for sync in candidates {
            match self.block(sync) {
                Block::Incomplete => self.candidates.push_back(sync),
                Block::Broken => {}
                Block::Intact(copy) => self.expect(copy, sync),
            }
        }
        self.settle()
    }

    fn block(&self, sync: i64) -> Block {
        let symbol = |position: usize| {
            let at = sync + ((position + 1) * HOPS_PER_SYMBOL) as i64;
            self.reading(at).map(|reading| tones::bytes(&reading.digits, position))
        };
        let Some(first) = symbol(0) else { return Block::Incomplete };
        let symbols = frame::payload_symbols(frame::announced_len(first[0]));
        let Some(bytes) = (0..symbols).map(symbol).collect::<Option<Vec<_>>>() else {
            return Block::Incomplete;
        };
        frame::unpack(bytes.as_flattened()).map_or(Block::Broken, Block::Intact)
    }

    /// A copy was read whose sync symbol is the reading `sync`.
    fn expect(&mut self, copy: Copy, sync: i64) {
        let block = (copy.piece.block_symbols() * HOPS_PER_SYMBOL) as i64;
        // A window in the middle of its symbol begins one reading after the symbol.
        let start = sync - 1 - copy.index as i64 * block;
        let end = start + copy.piece.copies() as i64 * block;
        let power = self.reading(sync).map_or(0.0, |reading| reading.power);
        let same =
            |piece: &Piece, begun: i64| *piece == copy.piece && (begun - start).abs() * HOP_MS < SAME_WORD_MS;
        if self.settled.as_ref().is_some_and(|(piece, begun)| same(piece, *begun)) {
            return;
        }
        match &mut self.expected {
            Some(expected) if same(&expected.copy.piece, expected.start) => expected.end = end,
            // Another word begins before this one's end: this one was cut.
            expected => *expected = Some(Expected { copy, start, end, power }),
        }
    }

    fn settle(&mut self) -> Option<Heard> {
        // The window that reaches the end, less 4 ms that filters may have eaten.
        let due = |expected: &mut Expected| self.count > expected.end - 10;
        let expected = self.expected.take_if(due)?;
        self.settled = Some((expected.copy.piece.clone(), expected.start));
        let loud = self.readings.iter().rev().take(TAIL_HOPS).filter(|r| r.power >= expected.power / 10.0);
        if loud.count() * 5 < TAIL_HOPS * 2 {
            self.started = None;
            return None;
        }
        self.join(expected)
    }

    /// Puts the pieces of a long word together.
    fn join(&mut self, expected: Expected) -> Option<Heard> {
        let ms = |reading: i64| (reading * HOP_MS).max(0) as u64;
        let Copy { piece, voice, .. } = expected.copy;
        let started = self.started.take();
        let mut heard =
            Heard { word: piece.text, voice, start_ms: ms(expected.start), end_ms: ms(expected.end) };
        if piece.continues {
            let head = started.filter(|head| head.end_ms.abs_diff(heard.start_ms) < SAME_WORD_MS as u64)?;
            heard.word.insert_str(0, &head.word);
            heard.start_ms = head.start_ms;
        }
        if piece.goes_on {
            self.started = Some(heard);
            return None;
        }
        Some(heard)
    }
}

enum Block {
    Incomplete,
    Broken,
    Intact(Copy),
}

fn waves(window: usize, rate: u32) -> Vec<(Vec<f32>, Vec<f32>)> {
    let wave = |index: usize| {
        let step = tones::frequency(index / TONES, index % TONES) / rate as f32;
        let angle = move |n: usize| TAU * (step * n as f32).fract();
        ((0..window).map(|n| angle(n).cos()).collect(), (0..window).map(|n| angle(n).sin()).collect())
    };
    (0..GROUPS * TONES).map(wave).collect()
}

fn energy(window: &[f32], (cos, sin): &(Vec<f32>, Vec<f32>)) -> f32 {
    let dot = |wave: &[f32]| window.iter().zip(wave).map(|(a, b)| a * b).sum::<f32>();
    dot(cos).powi(2) + dot(sin).powi(2)
}
