//! When is the caller's turn over? The delay counts from the caller's last speech sample, so a
//! late transcript costs nothing extra.

use crate::tuning::Tuning;
use crate::words::{is_closed, is_unfinished};

/// Milliseconds from the last speech sample to the end of the turn, by what was said and by the
/// recogniser's own opinion.
pub(crate) fn delay_ms(text: &str, end_of_turn: Option<f32>, tuning: &Tuning) -> u64 {
    match end_of_turn {
        Some(score) if score < tuning.end_of_turn_low => tuning.endpointing_max_ms,
        _ if is_unfinished(text) => tuning.endpointing_unfinished_ms,
        Some(score) if score >= tuning.end_of_turn_high => tuning.endpointing_min_ms,
        None if is_closed(text) => tuning.endpointing_min_ms,
        Some(_) | None => tuning.endpointing_unsure_ms,
    }
}

/// Whether it is worth asking the model before the turn is over.
pub(crate) fn sounds_done(text: &str, end_of_turn: Option<f32>, tuning: &Tuning) -> bool {
    delay_ms(text, end_of_turn, tuning) <= tuning.endpointing_unsure_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_follows_the_words_and_the_score() {
        let tuning = Tuning::default();
        let table = [
            ("I want a demo.", None, 300),
            ("I want a demo", None, 800),
            ("I want a", None, 1_500),
            ("I want a demo", Some(0.9), 300),
            ("I want a demo.", Some(0.5), 800),
            ("I want a demo.", Some(0.1), 2_500),
            ("my number is,", Some(0.9), 1_500),
            ("", None, 800),
        ];
        for (text, score, expected) in table {
            assert_eq!(delay_ms(text, score, &tuning), expected, "{text} {score:?}");
        }
        assert!(!sounds_done("and", None, &tuning));
    }

    #[test]
    fn a_score_that_is_no_number_is_not_trusted() {
        let tuning = Tuning::default();
        assert_eq!(delay_ms("Yes.", Some(f32::NAN), &tuning), tuning.endpointing_unsure_ms);
    }
}
