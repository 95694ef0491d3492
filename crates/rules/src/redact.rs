//! Taking out of a transcript what it must not keep: card numbers, identity numbers, bank
//! accounts, addresses.
//!
//! Recognisers write numbers in many ways, so digits are found as figures (`4242 4242 …`), as
//! words (`four two four two`) and as a mixture of both; what is found is judged by its
//! checksum, so that phone numbers, prices and dates stay. Where there is no checksum, as with
//! street addresses, a word that announces one must stand nearby; such rules err on the side of
//! taking out too much.
//!
//! It works on one text at a time: a number spread over two turns is seen only if the turns are
//! joined first. Names are not looked for.

mod checksum;
mod digits;
mod words;

use digits::Run;
use std::ops::Range;

/// What stands for something taken out.
const CARD: &str = "[card]";
const ID: &str = "[id]";
const IBAN: &str = "[iban]";
const EMAIL: &str = "[email]";
const ADDRESS: &str = "[address]";

/// `text` without card, identity and bank numbers, addresses and e-mail addresses.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut found = words::emails(text, EMAIL);
    found.extend(words::ibans(text, IBAN));
    found.extend(digits::runs(text).iter().filter_map(|run| number(text, run)));
    found.extend(words::addresses(text, ADDRESS));
    replace(text, found)
}

/// A piece of the text and what is put in its place.
type Found = (Range<usize>, &'static str);

/// What a run of digits is, if it is anything that must go.
fn number(text: &str, run: &Run) -> Option<Found> {
    let label = if checksum::is_card(&run.digits) {
        CARD
    } else if checksum::is_turkish_id(&run.digits) || checksum::is_american_id(&run.digits, run.written(text))
    {
        ID
    } else {
        return None;
    };
    Some((run.at.clone(), label))
}

/// Puts the labels in. Pieces that overlap go as one: a digit said just before a card may make
/// another card of its beginning, and nothing of either may stay.
fn replace(text: &str, found: Vec<Found>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (at, label) in merged(found) {
        result.push_str(text.get(done..at.start).unwrap_or_default());
        result.push_str(label);
        done = at.end;
    }
    result.push_str(text.get(done..).unwrap_or_default());
    result
}

/// Pieces that do not overlap, in order. One made of several is called a card if any of them is
/// one, else as the first of them.
fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.retain(|(at, _)| !at.is_empty());
    found.sort_by_key(|(at, _)| (at.start, std::cmp::Reverse(at.end)));
    let mut pieces: Vec<Found> = Vec::new();
    for (at, label) in found {
        match pieces.last_mut() {
            Some((last, named)) if at.start < last.end => {
                last.end = last.end.max(at.end);
                *named = if label == CARD { CARD } else { *named };
            }
            _ => pieces.push((at, label)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests;
