//! Keys that the caller presses belong together until a pause, or until `#`.

use crate::io::Time;

/// More keys than anybody means to press; further ones are dropped.
const MAX_KEYS: usize = 64;

/// Keys pressed so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keypad {
    keys: Vec<char>,
    first: Time,
    last: Time,
}

impl Keypad {
    /// A key. Returns whether it completes the entry. What is no key is ignored.
    pub(crate) fn press(&mut self, key: char, now: Time) -> bool {
        if !matches!(key, '0'..='9' | '*' | '#' | 'A'..='D') {
            return false;
        }
        if self.keys.is_empty() {
            self.first = now;
        }
        if self.keys.len() < MAX_KEYS && (key != '#' || self.keys.is_empty()) {
            self.keys.push(key);
        }
        self.last = now;
        key == '#'
    }

    /// When the entry is complete without `#`.
    pub(crate) fn complete_at(&self, pause_ms: u64) -> Option<Time> {
        (!self.keys.is_empty()).then(|| self.last.plus_ms(pause_ms))
    }

    /// Whether nothing is being entered.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The entry as the model reads it, with the times of its first and last key.
    pub(crate) fn take(&mut self) -> Option<(String, Time, Time)> {
        let keys: Vec<String> = std::mem::take(&mut self.keys).iter().map(char::to_string).collect();
        (!keys.is_empty()).then(|| (format!("(pressed {})", keys.join(" ")), self.first, self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_ends_an_entry_and_is_none_of_it() {
        let mut keypad = Keypad::default();
        assert!(!keypad.press('1', Time(5)) && !keypad.press('x', Time(6)) && !keypad.press('2', Time(7)));
        assert_eq!(keypad.complete_at(2_000), Some(Time(7).plus_ms(2_000)));
        assert!(keypad.press('#', Time(8)));
        assert_eq!(keypad.take(), Some(("(pressed 1 2)".to_owned(), Time(5), Time(8))));
        assert!(keypad.take().is_none() && keypad.is_empty());
    }

    #[test]
    fn a_lone_hash_is_a_key() {
        let mut keypad = Keypad::default();
        assert!(keypad.press('#', Time(1)));
        assert_eq!(keypad.take().map(|k| k.0), Some("(pressed #)".to_owned()));
    }
}
