//! "Did you mean": the known word nearest to a mistyped one.

/// A sentence that names the unknown word and what may have been meant.
pub(super) fn unknown(kind: &str, found: &str, known: &[&str]) -> String {
    match nearest(found, known) {
        Some(word) => format!("unknown {kind} `{found}`; did you mean `{word}`?"),
        None => format!("unknown {kind} `{found}`; known are {}", known.join(", ")),
    }
}

/// The nearest word that differs in at most a third of its letters.
fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|word| (distance(found, word), *word)).min()?;
    (near.0 <= near.1.chars().count().div_ceil(3)).then_some(near.1)
}

/// Letters to insert, delete, replace or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.to_lowercase().chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, left) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let replaced = last[column] + usize::from(left != right);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && a[row - 1] == *right && b[column - 1] == *left;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered() {
        let known = ["source", "campaign", "intent", "language"];
        let table = [
            ("langage", Some("language")),
            ("Langauge", Some("language")),
            ("sources", Some("source")),
            ("intnet", Some("intent")),
            ("color", None),
        ];
        for (found, expected) in table {
            assert_eq!(nearest(found, &known), expected, "{found}");
        }
    }

    #[test]
    fn distances_count_edits() {
        let table =
            [("", "abc", 3), ("abc", "abc", 0), ("acb", "abc", 1), ("abcd", "abc", 1), ("xyz", "abc", 3)];
        for (a, b, expected) in table {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
