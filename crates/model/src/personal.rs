//! A marker for what belongs to a person: names, spoken words, numbers, prompts about them.

use std::fmt;

/// A personal datum. `Debug` prints `[personal]`, so that no log line, error or panic message
/// shows it by accident; serde passes it through, because the database and the wire hold it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(pub T);

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Personal("Ece Y.")), "[personal]");
    }
}
