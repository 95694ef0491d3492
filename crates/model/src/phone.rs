//! Phone numbers in E.164. Parsing what people type is `talkif_rules::phone`'s work; this type
//! only promises the form: `+`, then 7 to 15 digits, the first not zero.

use std::fmt;
use std::str::FromStr;

/// A phone number in E.164 form. `Debug` and [`E164::masked`] hide its middle; only `Display`
/// and [`E164::as_str`] show it whole, for the wire and the database.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct E164(String);

/// A text that is not in E.164 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a phone number in E.164 form is `+` and 7 to 15 digits")]
pub struct NotE164;

impl E164 {
    /// The whole number, with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number with all but its first and last few digits hidden: `+90••••4218`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (head, tail) = (self.0.get(..3), self.0.get(self.0.len().saturating_sub(4)..));
        format!("{}••••{}", head.unwrap_or_default(), tail.unwrap_or_default())
    }
}

impl FromStr for E164 {
    type Err = NotE164;
    fn from_str(text: &str) -> Result<Self, NotE164> {
        let digits = text.strip_prefix('+').ok_or(NotE164)?;
        let well_formed = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NotE164) }
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<'de> serde::Deserialize<'de> for E164 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_e164_form_is_taken() {
        assert!("+905321234218".parse::<E164>().is_ok());
        for bad in ["905321234218", "+0532", "+90 532", "+1234567890123456", "+12345", ""] {
            assert_eq!(bad.parse::<E164>(), Err(NotE164), "{bad}");
        }
    }

    #[test]
    fn debug_never_shows_a_whole_number() {
        let number: E164 = "+905321234218".parse().unwrap();
        assert_eq!(format!("{number:?}"), "+90••••4218");
    }
}
