//! From what people type to a number that may be dialled.
//!
//! [`normalise`] takes spaces, brackets, `00`, national numbers with a country, and gives
//! E.164, or says precisely why not: [`PhoneError::code`] is what the API answers. It knows the
//! numbering plans, not whether a number is assigned, and not whether its owner may be called:
//! that is the gate's question.

mod pattern;
pub(crate) mod plan;

use plan::{Plan, Verdict};
use talkif_model::E164;

/// Why a text is not a number that may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// It contains something that is not part of a phone number, or no digits.
    #[error(
        "a phone number is written with digits, an optional leading `+`, spaces, dashes, dots and brackets"
    )]
    Format,
    /// A national number, and nobody said of which country.
    #[error("a number without country needs its `+` and calling code, or a country")]
    NotE164,
    /// The country that was named has no numbering plan.
    #[error("the country is not an ISO 3166-1 code with a numbering plan")]
    UnknownCountry,
    /// No numbering plan has such a number.
    #[error("no such number exists in its country's numbering plan")]
    NoSuchNumber,
    /// An emergency number.
    #[error("emergency numbers are never dialled")]
    Emergency,
    /// A short code, which works only inside its own network.
    #[error("short numbers cannot be dialled")]
    Short,
    /// A premium or shared-cost number.
    #[error("premium-rate numbers are never dialled")]
    Premium,
    /// A pager, mailbox, company or personal number.
    #[error("this kind of number cannot be dialled")]
    NotCallable,
}

impl PhoneError {
    /// The code of the field error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Format => "invalid_phone_format",
            Self::NotE164 => "phone_not_e164",
            Self::UnknownCountry => "invalid_country_code",
            Self::NoSuchNumber => "phone_number_invalid",
            Self::Emergency => "phone_number_emergency",
            Self::Short => "phone_number_short",
            Self::Premium => "phone_number_premium",
            Self::NotCallable => "phone_number_not_callable",
        }
    }
}

/// Numbers that summon help somewhere. Three digits never make a subscriber's number, so
/// refusing them everywhere loses nothing.
const EMERGENCY: &[&str] = &[
    "000", "100", "101", "102", "103", "104", "105", "108", "110", "111", "112", "113", "114", "115", "116",
    "117", "118", "119", "120", "122", "123", "125", "127", "128", "129", "131", "132", "133", "144", "150",
    "155", "156", "158", "160", "165", "166", "177", "180", "190", "191", "192", "193", "194", "195", "196",
    "197", "198", "199", "901", "902", "903", "907", "911", "912", "980", "990", "991", "992", "993", "994",
    "995", "996", "997", "998", "999", "15", "17", "18",
];

/// Longest number that is taken for a short code when no plan knows it.
const SHORT_DIGITS: usize = 6;

/// Turns `raw` into E.164. `country_hint` is the ISO code of the country whose national numbers
/// may be meant; without it only international forms (`+90…`, `0090…`) are taken.
///
/// # Errors
/// [`PhoneError`].
pub fn normalise(raw: &str, country_hint: Option<&str>) -> Result<E164, PhoneError> {
    let written = Written::read(raw)?;
    let hint = match country_hint {
        Some(country) => Some(plan::of_country(country).ok_or(PhoneError::UnknownCountry)?),
        None => None,
    };
    match written.international(hint) {
        Some(digits) => international(digits),
        None => national(&written.digits, hint),
    }
}

/// The country of a number, as ISO 3166-1. Where countries share a calling code, the number
/// decides, and the code's main country takes what no plan knows. `None` for codes of no country.
#[must_use]
pub fn country_of(number: &E164) -> Option<&'static str> {
    let (code, national) = plan::split(number.as_str().trim_start_matches('+'))?;
    plan::home(code, national).map(|plan| plan.country)
}

/// A number as it was written: its digits, and whether a `+` stood before them.
struct Written {
    plus: bool,
    digits: String,
}

impl Written {
    fn read(raw: &str) -> Result<Self, PhoneError> {
        let text = raw.trim_matches(is_filler);
        let text = strip_scheme(text);
        let plus = text.starts_with(['+', '\u{ff0b}']);
        let rest = text.trim_start_matches(['+', '\u{ff0b}']);
        // `+44 (0)20 …` writes the national form into the international one.
        let rest = if plus { rest.replacen("(0)", "", 1) } else { rest.to_owned() };
        let digits: String = rest.chars().filter(|c| !is_filler(*c)).collect();
        let well_formed =
            !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
        if well_formed { Ok(Self { plus, digits }) } else { Err(PhoneError::Format) }
    }

    /// The digits from the calling code on, if the number was written internationally: after a
    /// `+`, `00`, or the exit code of the country it was written in.
    fn international(&self, hint: Option<&Plan>) -> Option<&str> {
        if self.plus {
            return Some(&self.digits);
        }
        let exit = hint.map_or("00", |plan| plan.exit);
        [exit, "00"].iter().filter(|exit| !exit.is_empty()).find_map(|exit| self.digits.strip_prefix(*exit))
    }
}

fn strip_scheme(text: &str) -> &str {
    match text.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel:") => rest,
        _ => text,
    }
}

/// What people put between digits, the invisible direction marks of copied contacts included.
fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '(' | ')' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn international(digits: &str) -> Result<E164, PhoneError> {
    let (code, national) =
        plan::split(digits).ok_or_else(|| refuse_short(digits, PhoneError::NoSuchNumber))?;
    judge(code, national).map_err(|error| refuse_short(national, error))
}

/// A national number: behind its trunk prefix, as it stands, or with the calling code but
/// without `+`. The first reading that exists wins.
fn national(digits: &str, hint: Option<&Plan>) -> Result<E164, PhoneError> {
    let Some(plan) = hint else { return Err(refuse_short(digits, PhoneError::NotE164)) };
    let behind_trunk = digits.strip_prefix(plan.trunk).filter(|_| !plan.trunk.is_empty());
    let readings = [behind_trunk, Some(digits), digits.strip_prefix(plan.code)];
    let mut refusal = PhoneError::NoSuchNumber;
    for reading in readings.into_iter().flatten() {
        match judge(plan.code, reading) {
            Ok(number) => return Ok(number),
            Err(PhoneError::NoSuchNumber) => {}
            Err(error) => refusal = error,
        }
    }
    Err(refuse_short(digits, refusal))
}

/// What the plans under `code` say about `national`.
fn judge(code: &str, national: &str) -> Result<E164, PhoneError> {
    let verdicts = || plan::of_code(code).filter_map(|plan| plan.verdict(national));
    if verdicts().any(|verdict| verdict == Verdict::Costly) {
        return Err(PhoneError::Premium);
    }
    if verdicts().any(|verdict| verdict == Verdict::Callable) {
        return format!("+{code}{national}").parse().map_err(|_| PhoneError::NoSuchNumber);
    }
    Err(if verdicts().next().is_some() { PhoneError::NotCallable } else { PhoneError::NoSuchNumber })
}

/// Names emergency and short numbers as such instead of with the general `error`.
fn refuse_short(digits: &str, error: PhoneError) -> PhoneError {
    if EMERGENCY.contains(&digits) {
        PhoneError::Emergency
    } else if digits.len() <= SHORT_DIGITS {
        PhoneError::Short
    } else {
        error
    }
}

#[cfg(test)]
mod tests;
