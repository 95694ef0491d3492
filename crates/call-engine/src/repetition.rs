//! Keeps a model that is asked to go on from saying the beginning twice.
//!
//! Models asked to continue like to start over. What they say is compared with what has been said
//! already, as it arrives; it knows nothing of requests or of voices.

/// What has been said, and how much of it is being repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repetition {
    said: String,
    pending: String,
}

impl Repetition {
    /// Nothing is a repetition if nothing was `said`.
    pub(crate) const fn of(said: String) -> Self {
        Self { said, pending: String::new() }
    }

    /// What of the next piece of text is new, as far as can be told by now. Text that is no
    /// repetition after all comes out whole.
    pub(crate) fn strip(&mut self, delta: &str) -> String {
        if self.said.is_empty() {
            return delta.to_owned();
        }
        self.pending.push_str(delta);
        let pending = self.pending.trim_start();
        if self.said.starts_with(pending) && pending.len() < self.said.len() {
            return String::new();
        }
        let fresh = pending.strip_prefix(self.said.as_str()).unwrap_or(pending).to_owned();
        *self = Self::default();
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(said: &str, pieces: &[&str]) -> String {
        let mut repetition = Repetition::of(said.to_owned());
        pieces.iter().map(|piece| repetition.strip(piece)).collect()
    }

    #[test]
    fn a_beginning_that_is_repeated_is_not_said_again() {
        assert_eq!(stripped("It costs ten.", &["It ", "costs ten. ", "It is worth it."]), " It is worth it.");
    }

    #[test]
    fn an_answer_that_goes_on_is_left_as_it_is() {
        assert_eq!(stripped("It costs ten.", &["It is ", "worth it."]), "It is worth it.");
        assert_eq!(stripped("It costs ten.", &["That is ", "cheap."]), "That is cheap.");
        assert_eq!(stripped("", &["It costs ten."]), "It costs ten.");
    }
}
