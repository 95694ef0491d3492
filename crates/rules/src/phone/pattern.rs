//! A matcher for the patterns of numbering plans.
//!
//! They are regular expressions over digits with few elements: digits, `\d`, `[2-57]`, groups,
//! alternatives, `?`, `{n}` and `{n,m}`. A number has at most 17 digits, so the set of positions
//! that a pattern can have reached fits into one integer, and matching is set arithmetic: no
//! backtracking, no compilation, no allocation.

/// Positions in the text, one bit each.
type Positions = u32;

/// Longest text that can be matched.
const LONGEST: usize = 31;

/// Whether `pattern` matches the whole of `text`, which is made of digits.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() || text.len() > LONGEST {
        return false;
    }
    let mut matcher = Matcher { pattern: pattern.as_bytes(), at: 0, text: text.as_bytes() };
    matcher.alternatives(1) & (1 << text.len()) != 0
}

/// Whether `text` begins with a match of `pattern`.
pub(super) fn matches_start(pattern: &str, text: &str) -> bool {
    let text = text.get(..text.len().min(LONGEST)).unwrap_or_default();
    Matcher { pattern: pattern.as_bytes(), at: 0, text: text.as_bytes() }.alternatives(1) != 0
}

struct Matcher<'a> {
    pattern: &'a [u8],
    at: usize,
    text: &'a [u8],
}

impl Matcher<'_> {
    fn alternatives(&mut self, from: Positions) -> Positions {
        let mut reached = self.sequence(from);
        while self.eat(b'|') {
            reached |= self.sequence(from);
        }
        reached
    }

    fn sequence(&mut self, mut positions: Positions) -> Positions {
        while !matches!(self.peek(), None | Some(b'|' | b')')) {
            positions = self.repeated(positions);
        }
        positions
    }

    /// One element and its count. The element is run over again for each repetition.
    fn repeated(&mut self, from: Positions) -> Positions {
        let start = self.at;
        let mut current = self.element(from);
        let (min, max) = self.count();
        let end = self.at;
        let mut reached = if min == 0 { from } else { 0 };
        for round in 1..=max {
            if round >= min {
                reached |= current;
            }
            self.at = start;
            current = self.element(current);
        }
        self.at = end;
        reached
    }

    fn element(&mut self, from: Positions) -> Positions {
        match self.next() {
            b'(' => {
                if self.eat(b'?') {
                    self.eat(b':');
                }
                let reached = self.alternatives(from);
                self.eat(b')');
                reached
            }
            b'[' => {
                let digits = self.class();
                self.step(from, digits)
            }
            b'\\' => {
                self.eat(b'd');
                self.step(from, 0x3ff)
            }
            digit => self.step(from, bit(digit)),
        }
    }

    /// The digits of a class, one bit each; its `[` is already eaten.
    fn class(&mut self) -> u16 {
        let mut digits = 0;
        while !matches!(self.peek(), None | Some(b']')) {
            let first = self.next();
            let last = if self.eat(b'-') { self.next() } else { first };
            digits |= (first..=last).map(bit).fold(0, std::ops::BitOr::bitor);
        }
        self.eat(b']');
        digits
    }

    /// `?`, `{n}`, `{n,m}` or nothing, which is once.
    fn count(&mut self) -> (u32, u32) {
        if self.eat(b'?') {
            return (0, 1);
        }
        if !self.eat(b'{') {
            return (1, 1);
        }
        let min = self.number();
        let max = if self.eat(b',') { self.number() } else { min };
        self.eat(b'}');
        (min, max)
    }

    fn number(&mut self) -> u32 {
        let mut value = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            value = value * 10 + u32::from(digit - b'0');
        }
        value
    }

    /// Moves on by one digit wherever the text has one of `digits`.
    fn step(&self, from: Positions, digits: u16) -> Positions {
        let fits =
            |at: &usize| from & (1 << at) != 0 && self.text.get(*at).is_some_and(|d| bit(*d) & digits != 0);
        (0..self.text.len()).filter(fits).fold(0, |reached, at| reached | (1 << (at + 1)))
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    /// The next byte; 0, which matches nothing, at the end of a broken pattern.
    fn next(&mut self) -> u8 {
        let byte = self.peek().unwrap_or(0);
        self.at += 1;
        byte
    }

    fn eat(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }
}

fn bit(digit: u8) -> u16 {
    match digit {
        b'0'..=b'9' => 1 << (digit - b'0'),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_numbers() {
        let table = [
            ("5\\d{3}", "5123", true),
            ("5\\d{3}", "51234", false),
            ("5\\d{3}", "512", false),
            ("8(?:00\\d{2}(?:\\d{2,3})?|11\\d)", "80012", true),
            ("8(?:00\\d{2}(?:\\d{2,3})?|11\\d)", "8001234", true),
            ("8(?:00\\d{2}(?:\\d{2,3})?|11\\d)", "800123", false),
            ("8(?:00\\d{2}(?:\\d{2,3})?|11\\d)", "8119", true),
            ("[2-57]1|9[0]", "51", true),
            ("[2-57]1|9[0]", "61", false),
            ("[2-57]1|9[0]", "90", true),
            ("(12)?3", "3", true),
            ("(12)?3", "123", true),
            ("1{0,2}", "11", true),
            ("1{0,2}", "111", false),
            ("", "", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_start_is_enough_where_it_is_asked_for() {
        assert!(matches_start("[3489]", "4951234567"));
        assert!(!matches_start("[3489]", "7051234567"));
    }

    #[test]
    fn broken_patterns_and_long_texts_match_nothing_and_do_not_panic() {
        for pattern in ["(", "[", "1{", "[1-", "(?:", "\\", "5{2,1}"] {
            assert!(!matches(pattern, "5555555"), "{pattern}");
        }
        assert!(!matches("\\d{40}", &"1".repeat(40)));
    }
}
