//! Looking for what must not be where it is looked for: marked values, in every form in which
//! they might have got there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt::Write as _;

/// Shorter values are found by accident.
const SHORTEST: usize = 8;

/// Values to look for, by name.
#[derive(Debug, Default)]
pub struct Marks {
    /// Name of the value, its form, and the form's text in lower case.
    needles: Vec<(String, &'static str, String)>,
}

/// A marked value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// Which value.
    pub name: String,
    /// As what.
    pub form: &'static str,
    /// From which source, with the line's number.
    pub place: String,
    /// The line, cut.
    pub line: String,
}

impl Marks {
    /// Looks for `value` from now on.
    ///
    /// # Panics
    /// If it is too short to be told from other text.
    pub fn add(&mut self, name: &str, value: &str) {
        assert!(value.len() >= SHORTEST, "{name} is too short to look for");
        let mut needle = |form, text: String| self.needles.push((name.to_owned(), form, text.to_lowercase()));
        needle("plain", value.to_owned());
        needle("JSON", serde_json::Value::from(value).to_string().trim_matches('"').to_owned());
        needle("ASCII JSON", ascii_json(value));
        needle("percent-encoded", percent_encoded(value));
        needle("percent-encoded with +", percent_encoded(value).replace("%20", "+"));
        if let Some(digits) = value.strip_prefix('+') {
            needle("digits", digits.to_owned());
        }
        for offset in 0..3 {
            needle("base64", base64_at(value, offset));
        }
        needle("hexadecimal", hexadecimal(value));
    }

    /// Everything of it that is in `text`, which came from `source`; once for each line and value.
    #[must_use]
    pub fn find(&self, source: &str, text: &str) -> Vec<Find> {
        let mut finds = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            let mut found: Vec<&str> = Vec::new();
            for (name, form, needle) in &self.needles {
                if lower.contains(needle) && !found.contains(&name.as_str()) {
                    found.push(name);
                    let place = format!("{source}:{}", number + 1);
                    let line = line.chars().take(400).collect();
                    finds.push(Find { name: name.clone(), form, place, line });
                }
            }
        }
        finds
    }
}

fn hexadecimal(value: &str) -> String {
    value.bytes().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn ascii_json(value: &str) -> String {
    value.encode_utf16().fold(String::new(), |mut json, unit| {
        let _ = match u8::try_from(unit) {
            Ok(ascii) if ascii.is_ascii() => write!(json, "{}", char::from(ascii)),
            _ => write!(json, "\\u{unit:04x}"),
        };
        json
    })
}

fn percent_encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut encoded, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let _ = if plain { write!(encoded, "{}", char::from(byte)) } else { write!(encoded, "%{byte:02X}") };
        encoded
    })
}

/// The value as it looks inside the base64 of a longer text, behind `offset` bytes of a group: what
/// depends on its neighbours is left out.
fn base64_at(value: &str, offset: usize) -> String {
    let skip = (3 - offset) % 3;
    let inner = value.as_bytes().get(skip..).unwrap_or_default();
    let whole = inner.len() - inner.len() % 3;
    STANDARD_NO_PAD.encode(inner.get(..whole).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        let mut marks = Marks::default();
        marks.add("number", "+905321234218");
        marks.add("words", "Perşembe günü, saat üçte");
        marks
    }

    #[test]
    fn a_planted_value_is_found_in_every_form() {
        let marks = marks();
        let texts = [
            ("number", "dialled +905321234218 now"),
            ("number", "sip:905321234218@carrier"),
            ("number", "GET /x?phone=%2B905321234218 HTTP/1.1"),
            ("number", "KzkwNTMyMTIzNDIxOA=="),
            ("number", "2b393035333231323334323138"),
            ("words", "heard PERŞEMBE GÜNÜ, saat üçte"),
            ("words", r#"{"text":"Per\u015fembe g\u00fcn\u00fc, saat \u00fc\u00e7te"}"#),
            ("words", "q=Per%C5%9Fembe+g%C3%BCn%C3%BC%2C+saat+%C3%BC%C3%A7te"),
        ];
        for (name, text) in texts {
            let finds = marks.find("log", &format!("first line\n{text}"));
            assert_eq!(finds.len(), 1, "{text}");
            assert_eq!((finds[0].name.as_str(), finds[0].place.as_str()), (name, "log:2"));
        }
        for offset in 0..3 {
            let inside = STANDARD_NO_PAD.encode(format!("{}+905321234218 and more", "x".repeat(offset)));
            assert_eq!(marks.find("log", &inside).len(), 1, "{inside}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let text = "call_01j9 90532****218 saat on\n+905321234219 is another number";
        assert_eq!(marks().find("log", text), []);
    }

    #[test]
    #[should_panic(expected = "too short")]
    fn a_value_that_would_be_found_everywhere_is_refused() {
        Marks::default().add("pin", "1234");
    }
}
