//! Numbers, as people type them.

use crate::bytes::Bytes;
use talkif_rules::phone::{country_of, normalise};

/// Countries with plans of every kind: with and without trunk prefix, with a shared calling code.
const COUNTRIES: [Option<&str>; 8] =
    [None, Some("TR"), Some("US"), Some("CA"), Some("GB"), Some("IT"), Some("KZ"), Some("de")];

/// `country (1 byte) text`.
///
/// # Panics
/// If a number comes out that is not one, or is another one when it is read again.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let country = COUNTRIES.get(usize::from(bytes.byte()) % COUNTRIES.len()).copied().flatten();
    let Ok(text) = std::str::from_utf8(bytes.rest()) else { return };
    // The text is also tried as a country: nobody checks that field before.
    let _ = normalise("05321234218", Some(text));
    let number = match normalise(text, country) {
        Ok(number) => number,
        Err(error) => return assert!(!error.code().is_empty()),
    };
    let digits = number.as_str().strip_prefix('+').unwrap_or_default();
    assert!(
        (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()),
        "{number:?}"
    );
    assert!(!digits.starts_with('0'));
    assert_eq!(normalise(number.as_str(), None).as_ref(), Ok(&number));
    assert_eq!(normalise(&format!("00{digits}"), None).as_ref(), Ok(&number));
    let home = country_of(&number);
    if home.is_some() {
        assert_eq!(normalise(number.as_str(), home).as_ref(), Ok(&number));
    }
    assert!(!number.masked().contains(digits));
}
