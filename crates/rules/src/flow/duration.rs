//! Durations (`90s`, `15m`, `1h30m`) and spans of the day (`22:00-09:00`).

use talkif_model::flow::QuietHours;

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const DAY_MINUTES: u16 = 24 * 60;

/// A duration in milliseconds: numbers with units, without spaces.
pub(super) fn parse_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = tail;
    }
    Some(total)
}

/// A duration in its largest whole unit.
pub(super) fn in_words(ms: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, factor)| ms >= *factor && ms.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{ms}ms"), |(name, factor)| format!("{}{name}", ms / factor))
}

/// Why a span of the day cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSpan {
    #[error("must be two times of the day such as 22:00-09:00")]
    Form,
    #[error("begins when it ends: it would cover nothing or the whole day")]
    Empty,
}

/// A span of local time; it may cross midnight, and `24:00` ends a day.
pub(super) fn parse_span(text: &str) -> Result<QuietHours, BadSpan> {
    let (from, until) = text.split_once(['-', '\u{2013}']).ok_or(BadSpan::Form)?;
    let from_minute = minute(from).filter(|minute| *minute < DAY_MINUTES).ok_or(BadSpan::Form)?;
    let until_minute = minute(until).ok_or(BadSpan::Form)? % DAY_MINUTES;
    if from_minute == until_minute {
        Err(BadSpan::Empty)
    } else {
        Ok(QuietHours { from_minute, until_minute })
    }
}

/// `09:30` as minutes since midnight.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str, longest: usize| {
        let digits =
            !text.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok())?
    };
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2).filter(|_| minutes.len() == 2)?);
    let value = hours * 60 + minutes;
    (minutes < 60 && value <= DAY_MINUTES).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let table = [
            ("60s", Some(60_000)),
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("30d", Some(2_592_000_000)),
            ("500ms", Some(500)),
            ("60", None),
            ("", None),
            ("s", None),
            ("15 m", None),
            ("-5s", None),
            ("5w", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_written_back_in_their_largest_unit() {
        for text in ["1s", "90s", "15m", "1h", "30d", "1500ms"] {
            assert_eq!(in_words(parse_ms(text).unwrap()), text);
        }
    }

    #[test]
    fn spans_of_the_day_are_read() {
        let table = [
            ("22:00-09:00", Ok((1320, 540))),
            ("22:00 - 9:00", Ok((1320, 540))),
            ("12:30\u{2013}13:15", Ok((750, 795))),
            ("20:00-24:00", Ok((1200, 0))),
            ("00:00-24:00", Err(BadSpan::Empty)),
            ("09:00-09:00", Err(BadSpan::Empty)),
            ("24:00-09:00", Err(BadSpan::Form)),
            ("22-9", Err(BadSpan::Form)),
            ("22:60-09:00", Err(BadSpan::Form)),
            ("25:00-09:00", Err(BadSpan::Form)),
            ("22:0-09:00", Err(BadSpan::Form)),
            ("+2:00-09:00", Err(BadSpan::Form)),
            ("", Err(BadSpan::Form)),
        ];
        for (text, expected) in table {
            let span = parse_span(text).map(|span| (span.from_minute, span.until_minute));
            assert_eq!(span, expected, "{text}");
        }
    }
}
