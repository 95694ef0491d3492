//! Runs of digits, written as figures or said as words.

use std::ops::Range;

/// Digits that stand together, but for spaces, dashes, dots and commas.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) at: Range<usize>,
    /// Their values, 0 to 9.
    pub(super) digits: Vec<u8>,
}

impl Run {
    /// The run as it stands in the text.
    pub(super) fn written<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.at.clone()).unwrap_or_default()
    }
}

/// Shortest run that can be anything, and longest.
const LENGTHS: std::ops::RangeInclusive<usize> = 9..=19;

/// All runs of a length that matters. Within longer ones every stretch is a run of its own,
/// because a card number may be said right after another number.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let tokens = tokens(text);
    (0..tokens.len()).flat_map(|start| runs_from(text, tokens.get(start..).unwrap_or_default())).collect()
}

/// The runs that begin with the first of `tokens`.
fn runs_from(text: &str, tokens: &[Token]) -> Vec<Run> {
    let mut runs = Vec::new();
    let Some(first) = tokens.first() else { return runs };
    let mut end = first.at.start;
    let mut digits: Vec<u8> = Vec::new();
    for token in tokens {
        digits.extend(&token.digits);
        if digits.len() > *LENGTHS.end() || !is_gap(text, end, token.at.start) {
            break;
        }
        end = token.at.end;
        if LENGTHS.contains(&digits.len()) {
            runs.push(Run { at: first.at.start..end, digits: digits.clone() });
        }
    }
    runs
}

/// A group of figures, or a word for one digit.
struct Token {
    at: Range<usize>,
    digits: Vec<u8>,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (at, word) in super::words::split(text) {
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            found.push(Token { at, digits: word.bytes().map(|byte| byte - b'0').collect() });
        } else if let Some(digit) = spoken(word) {
            found.push(Token { at, digits: vec![digit] });
        }
    }
    found
}

/// Whether only spaces and light punctuation lie between two tokens.
fn is_gap(text: &str, from: usize, to: usize) -> bool {
    let gap = text.get(from..to).unwrap_or("x");
    gap.chars().count() <= 3
        && gap.chars().all(|c| c.is_whitespace() || matches!(c, '-' | '.' | ',' | '/' | '\u{2013}'))
}

const ZERO: &[&str] = &["zero", "oh", "o", "null", "sıfır", "sifir", "zéro", "cero"];
const ONE: &[&str] = &["one", "bir", "eins", "un", "uno"];
const TWO: &[&str] = &["two", "iki", "zwei", "zwo", "deux", "dos"];
const THREE: &[&str] = &["three", "üç", "uc", "drei", "trois", "tres"];
const FOUR: &[&str] = &["four", "dört", "dort", "vier", "quatre", "cuatro"];
const FIVE: &[&str] = &["five", "beş", "bes", "fünf", "cinq", "cinco"];
const SIX: &[&str] = &["six", "altı", "alti", "sechs", "seis"];
const SEVEN: &[&str] = &["seven", "yedi", "sieben", "sept", "siete"];
const EIGHT: &[&str] = &["eight", "sekiz", "acht", "huit", "ocho"];
const NINE: &[&str] = &["nine", "dokuz", "neun", "neuf", "nueve"];

/// The digit that a word says.
fn spoken(word: &str) -> Option<u8> {
    let word = word.to_lowercase();
    let table = [ZERO, ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE];
    (0_u8..).zip(table).find(|(_, words)| words.contains(&word.as_str())).map(|(digit, _)| digit)
}
