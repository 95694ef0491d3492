//! Query strings and paging.

use serde::{Deserialize, Serialize};
use talkif_problem::{FieldCode, FieldError, Problem};
use talkif_store::{DbError, Row};
use utoipa::{IntoParams, ToSchema};

/// Where a list begins and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// 1 to 100.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: i64,
    /// Entries to leave out.
    #[serde(default)]
    #[param(minimum = 0, default = 0, required = false)]
    pub offset: i64,
}

const fn default_limit() -> i64 {
    20
}

/// Deeper pages are refused: every skipped row costs the database a visit.
const MAX_OFFSET: i64 = 1_000_000;

impl Page {
    /// The page itself, if its numbers are within their bounds.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        let bounds = [("limit", self.limit, 1, 100), ("offset", self.offset, 0, MAX_OFFSET)];
        let errors: Vec<_> = bounds
            .into_iter()
            .filter(|(_, value, least, most)| !(least..=most).contains(&value))
            .map(|(name, _, least, most)| {
                FieldError::new(name, FieldCode::OutOfRange, format!("It must be between {least} and {most}"))
            })
            .collect();
        if errors.is_empty() { Ok(self) } else { Err(Problem::fields(errors)) }
    }

    /// The entries of a page and what the page says about itself. List statements return the
    /// total with every row, and one row without an id where the page is empty.
    pub(crate) fn rows<T>(
        self,
        rows: &[Row],
        read: impl Fn(&Row) -> Result<T, DbError>,
    ) -> Result<(Vec<T>, PageMeta), DbError> {
        let total = rows.first().map_or(Ok(0), |row| row.int("total"))?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            if row.opt_text("id")?.is_some() {
                entries.push(read(row)?);
            }
        }
        Ok((entries, PageMeta { total, limit: self.limit, offset: self.offset }))
    }
}

/// What a list says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PageMeta {
    /// All entries there are.
    pub total: i64,
    /// The limit that was applied.
    pub limit: i64,
    /// The offset that was applied.
    pub offset: i64,
}

/// One value of a query string, percent-decoded; the first one where a name repeats.
pub(super) fn value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decode(value))
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let hex = escaped.and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_percent_decoded() {
        let query = Some("phone=%2B90+532&include=trace%2Ctranscript&odd=%zz%");
        assert_eq!(value(query, "phone").as_deref(), Some("+90 532"));
        assert_eq!(value(query, "include").as_deref(), Some("trace,transcript"));
        assert_eq!(value(query, "odd").as_deref(), Some("%zz%"));
        assert_eq!(value(query, "missing"), None);
    }

    #[test]
    fn pages_stay_within_bounds() {
        assert!(Page { limit: 100, offset: 0 }.checked().is_ok());
        assert!(Page { limit: 0, offset: 0 }.checked().is_err());
        assert!(Page { limit: 101, offset: 0 }.checked().is_err());
        assert!(Page { limit: 20, offset: -1 }.checked().is_err());
    }
}
