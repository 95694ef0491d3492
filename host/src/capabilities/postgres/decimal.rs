//! `numeric`: decimal text to and from Postgres' groups of four digits, without loss.

use std::error::Error as StdError;
use std::fmt::Write;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;
/// Digits per group.
const GROUP: usize = 4;

/// A number of any precision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Groups of four digits, the most significant first.
    groups: Vec<u16>,
    /// How many groups stand before the point, less one.
    weight: i16,
    /// Digits after the point.
    scale: u16,
}

impl Decimal {
    /// Parses digits with an optional sign and point; no exponent.
    pub(super) fn parse(text: &str) -> Result<Decimal, String> {
        let invalid = || format!("invalid decimal {text}");
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits {
            return Err(invalid());
        }
        let (groups, weight) = group(whole, fraction).ok_or_else(invalid)?;
        let scale = u16::try_from(fraction.len()).map_err(|_| invalid())?;
        Ok(Decimal { negative: negative && !groups.is_empty(), groups, weight, scale })
    }

    /// The group that stands `place` groups before the point (0 is the last whole one).
    fn group_at(&self, place: i32) -> u16 {
        let index = i32::from(self.weight) - place;
        usize::try_from(index).ok().and_then(|index| self.groups.get(index)).copied().unwrap_or(0)
    }
}

/// Groups without leading or trailing zeros, and their weight.
fn group(whole: &str, fraction: &str) -> Option<(Vec<u16>, i16)> {
    let front = whole.len().next_multiple_of(GROUP);
    let back = fraction.len().next_multiple_of(GROUP);
    let digits = format!("{whole:0>front$}{fraction:0<back$}");
    let groups: Option<Vec<u16>> =
        digits.as_bytes().chunks(GROUP).map(|chunk| std::str::from_utf8(chunk).ok()?.parse().ok()).collect();
    let groups = groups?;
    let Some(first) = groups.iter().position(|group| *group != 0) else { return Some((Vec::new(), 0)) };
    let last = groups.iter().rposition(|group| *group != 0)?;
    let weight =
        i16::try_from(front / GROUP).ok()?.checked_sub(1)?.checked_sub(i16::try_from(first).ok()?)?;
    Some((groups[first..=last].to_vec(), weight))
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let top = i32::from(self.weight).max(0);
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.group_at(top))?;
        (0..top).rev().try_for_each(|place| write!(f, "{:04}", self.group_at(place)))?;
        if self.scale == 0 {
            return Ok(());
        }
        let mut fraction = String::new();
        for place in 1..=i32::from(self.scale.div_ceil(4)) {
            write!(fraction, "{:04}", self.group_at(-place))?;
        }
        write!(f, ".{}", &fraction[..usize::from(self.scale)])
    }
}

impl ToSql for Decimal {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let sign = if self.negative { NEGATIVE } else { POSITIVE };
        let count = u16::try_from(self.groups.len())?;
        for field in [count, self.weight.cast_unsigned(), sign, self.scale].iter().chain(&self.groups) {
            out.extend_from_slice(&field.to_be_bytes());
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }

    to_sql_checked!();
}

impl FromSql<'_> for Decimal {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Decimal, Box<dyn StdError + Sync + Send>> {
        let fields: Vec<u16> =
            raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let [_, weight, sign, scale, groups @ ..] = fields.as_slice() else {
            return Err("a numeric is too short".into());
        };
        if *sign >= NOT_A_NUMBER {
            return Err("NaN and infinity are not decimals".into());
        }
        Ok(Decimal {
            negative: *sign == NEGATIVE,
            groups: groups.to_vec(),
            weight: weight.cast_signed(),
            scale: *scale,
        })
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::NUMERIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_way_through_groups() {
        let cases = [
            "0",
            "0.00",
            "1",
            "-1",
            "10000",
            "12345678",
            "0.5",
            "0.0001",
            "0.00001",
            "-0.10",
            "1234.5678",
            "100000000000000000000000000000000000000.000000000000000000001",
            "9999.9999",
            "10000.0001",
        ];
        for text in cases {
            let parsed = Decimal::parse(text).unwrap();
            let mut bytes = BytesMut::new();
            parsed.to_sql(&Type::NUMERIC, &mut bytes).unwrap();
            let read = Decimal::from_sql(&Type::NUMERIC, &bytes).unwrap();
            assert_eq!((read.to_string().as_str(), parsed.to_string().as_str()), (text, text));
        }
    }

    #[test]
    fn only_plain_digits_are_decimals() {
        for text in ["", ".", "-", "1e3", "1.2.3", "NaN", "1 ", "--1"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
    }
}
