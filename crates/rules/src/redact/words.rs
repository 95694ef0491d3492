//! What is found by its words: e-mail addresses, bank accounts, street addresses.

use super::{Found, checksum};
use std::ops::Range;

/// The words of a text, letters and digits, with their places.
pub(super) fn split(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.extend(text.get(from..at).map(|word| (from..at, word)));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// `name@host.tld`, and `name at host dot tld` as it is said.
pub(super) fn emails(text: &str, label: &'static str) -> Vec<Found> {
    let written = text.match_indices('@').filter_map(|(at, _)| email_around(text, at));
    let said = said_emails(text);
    written.chain(said).map(|at| (at, label)).collect()
}

fn email_around(text: &str, at: usize) -> Option<Range<usize>> {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%');
    let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
    let start =
        before.char_indices().rev().find(|(_, c)| !belongs(*c)).map_or(0, |(place, c)| place + c.len_utf8());
    let host = after.find(|c| !belongs(c)).map_or(after, |end| after.get(..end).unwrap_or_default());
    let host = host.trim_end_matches(['.', '-']);
    (start < at && host.contains('.')).then_some(start..at + 1 + host.len())
}

/// "ece dot y at example dot com": a host with a dot makes it an address.
fn said_emails(text: &str) -> Vec<Range<usize>> {
    let words = split(text);
    let is = |at: usize, wanted: &[&str]| {
        words.get(at).is_some_and(|(_, word)| wanted.iter().any(|one| word.eq_ignore_ascii_case(one)))
    };
    let dot = |at: usize| is(at, &["dot", "nokta", "punkt", "point", "punto"]);
    let mut found = Vec::new();
    for at in 1..words.len() {
        if !is(at, &["at", "et", "arroba", "arobase", "kuyruk"]) || !dot(at + 2) {
            continue;
        }
        let mut first = at - 1;
        while first >= 2 && dot(first - 1) {
            first -= 2;
        }
        let mut last = at + 3;
        while dot(last + 1) && last + 2 < words.len() {
            last += 2;
        }
        if let (Some((start, _)), Some((end, _))) = (words.get(first), words.get(last)) {
            found.push(start.start..end.end);
        }
    }
    found
}

/// Bank account numbers, in groups of four or in one piece.
pub(super) fn ibans(text: &str, label: &'static str) -> Vec<Found> {
    let words = split(text);
    (0..words.len()).filter_map(|first| iban_from(&words, first)).map(|at| (at, label)).collect()
}

fn iban_from(words: &[(Range<usize>, &str)], first: usize) -> Option<Range<usize>> {
    let mut compact = String::new();
    let mut longest = None;
    let start = words.get(first)?.0.start;
    for (at, word) in words.iter().skip(first) {
        if !word.is_ascii() || compact.len() + word.len() > 34 {
            break;
        }
        compact.push_str(&word.to_ascii_uppercase());
        if checksum::is_iban(&compact) {
            longest = Some(start..at.end);
        }
    }
    longest
}

/// Words behind a name that make it a street: "Main Street".
const STREET_AFTER: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "lane",
    "ln",
    "drive",
    "dr",
    "boulevard",
    "blvd",
    "court",
    "ct",
    "way",
    "place",
    "pl",
    "square",
    "terrace",
    "sokak",
    "sokağı",
    "sokagi",
    "sokakta",
    "sok",
    "caddesi",
    "cadde",
    "cad",
    "bulvarı",
    "bulvari",
    "mahallesi",
    "mah",
    "mahalle",
    "apartmanı",
    "apartmani",
    "straße",
    "strasse",
    "str",
    "weg",
    "platz",
    "allee",
    "gasse",
];
/// Words before a name that make it a street: "rue de Rivoli".
const STREET_BEFORE: &[&str] =
    &["rue", "avenue", "boulevard", "calle", "avenida", "plaza", "paseo", "via", "piazza"];
/// Words that go on an address after its street: "apartment 5".
const PARTS: &[&str] = &[
    "apartment",
    "apt",
    "suite",
    "unit",
    "floor",
    "flat",
    "number",
    "no",
    "numara",
    "daire",
    "kat",
    "blok",
    "kapı",
    "kapi",
    "piso",
    "puerta",
    "appartement",
    "etage",
];
/// How many words a street's name may have.
const NAME_WORDS: usize = 3;

/// Street addresses: a house number and a word for a street close together.
pub(super) fn addresses(text: &str, label: &'static str) -> Vec<Found> {
    let words = split(text);
    let spans = (0..words.len()).filter_map(|at| address_at(text, &words, at));
    spans
        .filter_map(|(first, last)| Some((words.get(first)?.0.start..words.get(last)?.0.end, label)))
        .collect()
}

/// First and last word of an address whose street word is at `at`.
fn address_at(text: &str, words: &[(Range<usize>, &str)], at: usize) -> Option<(usize, usize)> {
    let word = words.get(at)?.1.to_lowercase();
    let after = STREET_AFTER.contains(&word.as_str()) || is_german_street(&word);
    let before = STREET_BEFORE.contains(&word.as_str());
    if !after && !before {
        return None;
    }
    let reach = |from: usize| from.saturating_sub(NAME_WORDS + 1);
    let leading =
        (reach(at)..at).find(|place| is_house_number(words, *place) && same_clause(text, words, *place, at));
    let trailing = house_number_behind(text, words, at, if before { NAME_WORDS + 2 } else { 2 });
    let (first, last) = match (leading, trailing) {
        (Some(first), trailing) => (first, trailing.unwrap_or(at).max(name_end(text, words, at, before))),
        (None, Some(last)) => (if after { name_start(text, words, at) } else { at }, last),
        (None, None) => return None,
    };
    Some((first, parts_end(words, last)))
}

/// `Hauptstraße` and `Parkweg` carry their street word inside.
fn is_german_street(word: &str) -> bool {
    ["straße", "strasse", "gasse", "allee", "platz"]
        .iter()
        .any(|end| word.len() > end.len() + 2 && word.ends_with(end))
}

fn is_house_number(words: &[(Range<usize>, &str)], at: usize) -> bool {
    let Some((_, word)) = words.get(at) else { return false };
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let rest = word.get(digits..).unwrap_or_default();
    (1..=5).contains(&digits) && rest.chars().count() <= 1 && rest.chars().all(char::is_alphabetic)
}

fn house_number_behind(text: &str, words: &[(Range<usize>, &str)], at: usize, reach: usize) -> Option<usize> {
    let found = (at + 1..=at + reach).find(|place| is_house_number(words, *place))?;
    same_clause(text, words, at, found).then_some(found)
}

/// Where a street's name begins that ends at `at`: at most three capitalised words back.
fn name_start(text: &str, words: &[(Range<usize>, &str)], at: usize) -> usize {
    let is_name = |place: usize| {
        let capital =
            words.get(place).is_some_and(|(_, word)| word.chars().next().is_some_and(char::is_uppercase));
        capital && same_clause(text, words, place, at)
    };
    (at.saturating_sub(NAME_WORDS)..at).rev().take_while(|place| is_name(*place)).last().unwrap_or(at)
}

/// `12 rue de Rivoli`: the name stands behind the street word.
fn name_end(text: &str, words: &[(Range<usize>, &str)], at: usize, before: bool) -> usize {
    if !before {
        return at;
    }
    let is_name = |place: &usize| {
        let (Some((last, _)), Some((here, word))) = (words.get(*place - 1), words.get(*place)) else {
            return false;
        };
        let small = ["de", "la", "du", "des", "del", "los", "las", "der"];
        let fits = word.chars().next().is_some_and(char::is_uppercase)
            || small.contains(&word.to_lowercase().as_str());
        fits && text.get(last.end..here.start).is_some_and(|gap| !gap.contains(','))
    };
    (at + 1..=at + NAME_WORDS).take_while(is_name).last().unwrap_or(at)
}

/// Takes "apartment 5", "kat 3 daire 7" along.
fn parts_end(words: &[(Range<usize>, &str)], mut last: usize) -> usize {
    loop {
        let named =
            words.get(last + 1).is_some_and(|(_, word)| PARTS.contains(&word.to_lowercase().as_str()));
        if !named || !is_house_number(words, last + 2) {
            return last;
        }
        last += 2;
    }
}

/// Whether no sentence ends between two words.
fn same_clause(text: &str, words: &[(Range<usize>, &str)], first: usize, last: usize) -> bool {
    let (Some((from, _)), Some((to, _))) = (words.get(first), words.get(last)) else { return false };
    let between = text.get(from.end..to.start).unwrap_or_default();
    !between.contains(['!', '?', ';']) && !between.contains(". ")
}
