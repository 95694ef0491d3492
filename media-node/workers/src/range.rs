//! The `Range` header of a request for a recording (RFC 9110, section 14). Pure.
//!
//! One range is served. Several, another unit, and what does not parse are ignored, as the RFC
//! allows: then the whole is sent.

use std::ops::Range;

/// What is asked for, of something that is so many bytes long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that there are none of.
    Unsatisfiable,
}

/// Reads the header's value.
pub(crate) fn asked(header: Option<&str>, length: u64) -> Asked {
    let Some(range) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else { return Asked::Whole };
    match (number(first), number(last)) {
        (Ok(Some(first)), Ok(last)) => from(first, last, length),
        (Ok(None), Ok(Some(suffix))) => suffix_of(suffix, length),
        _ => Asked::Whole,
    }
}

fn from(first: u64, last: Option<u64>, length: u64) -> Asked {
    if last.is_some_and(|last| last < first) {
        return Asked::Whole;
    }
    if first >= length {
        return Asked::Unsatisfiable;
    }
    Asked::Part(first..last.map_or(length, |last| length.min(last.saturating_add(1))))
}

fn suffix_of(suffix: u64, length: u64) -> Asked {
    if suffix == 0 || length == 0 {
        return Asked::Unsatisfiable;
    }
    Asked::Part(length.saturating_sub(suffix)..length)
}

/// Absent is `None`. A number that does not fit is as good as the largest.
fn number(text: &str) -> Result<Option<u64>, ()> {
    match text {
        "" => Ok(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        let table = [
            (None, Asked::Whole),
            (Some("bytes=0-3"), Asked::Part(0..4)),
            (Some("bytes=4-"), Asked::Part(4..10)),
            (Some("bytes=-3"), Asked::Part(7..10)),
            (Some("bytes=-30"), Asked::Part(0..10)),
            (Some("bytes=8-99999999999999999999999"), Asked::Part(8..10)),
            (Some("bytes=10-"), Asked::Unsatisfiable),
            (Some("bytes=-0"), Asked::Unsatisfiable),
            (Some("bytes=5-4"), Asked::Whole),
            (Some("bytes=0-1,4-5"), Asked::Whole),
            (Some("bytes=-"), Asked::Whole),
            (Some("bytes=+1-2"), Asked::Whole),
            (Some("lines=1-2"), Asked::Whole),
        ];
        for (header, expected) in table {
            assert_eq!(asked(header, 10), expected, "{header:?}");
        }
    }
}
