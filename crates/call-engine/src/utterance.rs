//! One utterance of the agent, from its text to what was really played of it.
//!
//! What was heard is counted, not assumed: by the words' times where the voice gives them, else
//! in proportion to the samples that were handed to the wire.

use crate::io::{Generation, Time, Word};
use crate::tuning::Tuning;

/// A possible interruption that is being decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// When playout was held.
    pub(crate) since: Time,
    /// First sample of the caller's speech.
    pub(crate) speech: Time,
    /// Last sample of it, once it has ended.
    pub(crate) ended: Option<Time>,
}

/// Where an utterance is on its way to the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Playout {
    /// Not released yet.
    Held,
    /// Released.
    Playing,
    /// Held in the middle, because the caller may be interrupting.
    Paused(Hold),
}

/// What the model did before the first word of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The request went out.
    pub(crate) at: Time,
    /// Its first token came.
    pub(crate) first_token: Time,
}

/// One utterance.
#[derive(Debug, Clone)]
pub(crate) struct Utterance {
    pub(crate) generation: Generation,
    /// All text handed to the voice so far.
    pub(crate) text: String,
    /// Whether the caller's speech may hold and stop it.
    pub(crate) interruptible: bool,
    /// Whether it may be played at all: a speculative answer may not, until its turn is over.
    pub(crate) authorised: bool,
    /// Whether it greets: then a "hello?" is no interruption.
    pub(crate) greets: bool,
    /// Whether the voice knows that no text follows.
    pub(crate) complete: bool,
    pub(crate) playout: Playout,
    /// For answers of the model.
    pub(crate) asked: Option<Asked>,
    /// First text handed to the voice.
    pub(crate) opened: Time,
    /// First audio.
    pub(crate) started: Option<Time>,
    pub(crate) leading_silence_ms: u64,
    words: Vec<Word>,
    /// Its whole length, once known.
    pub(crate) audio_ms: Option<u64>,
    pub(crate) played_ms: u64,
    /// Since when nothing has moved.
    pub(crate) progress: Time,
    /// Whether it is the second attempt after a stall.
    pub(crate) again: bool,
}

impl Utterance {
    /// An utterance without text yet.
    pub(crate) fn new(generation: Generation, now: Time) -> Self {
        Self {
            generation,
            text: String::new(),
            interruptible: true,
            authorised: true,
            greets: false,
            complete: false,
            playout: Playout::Held,
            asked: None,
            opened: now,
            started: None,
            leading_silence_ms: 0,
            words: Vec::new(),
            audio_ms: None,
            played_ms: 0,
            progress: now,
            again: false,
        }
    }

    /// More text.
    pub(crate) fn append(&mut self, text: &str, now: Time) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.progress = now;
    }

    /// The voice tells where words lie.
    pub(crate) fn add_words(&mut self, words: Vec<Word>) {
        self.words.extend(words);
    }

    /// The wire has taken more; never less.
    pub(crate) fn played(&mut self, played_ms: u64, now: Time) {
        if played_ms > self.played_ms {
            self.played_ms = played_ms;
            self.progress = now;
        }
    }

    /// Whether something of it has been heard.
    pub(crate) fn is_audible(&self) -> bool {
        self.played_ms > 0
    }

    /// The hold, while one is on.
    pub(crate) fn hold(&self) -> Option<Hold> {
        match self.playout {
            Playout::Paused(hold) => Some(hold),
            Playout::Held | Playout::Playing => None,
        }
    }

    /// Whether it is within `boundary_ms` of its begin, or of its end where that is known.
    pub(crate) fn near_boundary(&self, boundary_ms: u64) -> bool {
        let near_end = self.audio_ms.is_some_and(|all| self.played_ms + boundary_ms >= all);
        self.played_ms < boundary_ms || near_end
    }

    /// When its silence is a fault: `None` while it is held, or waits for the model's text.
    pub(crate) fn stalls_at(&self, tuning: &Tuning) -> Option<Time> {
        let patience = match (self.started, self.audio_ms) {
            (Some(_), Some(_)) => tuning.stall_ms,
            (Some(_), None) if !self.is_audible() => tuning.stall_ms,
            (Some(_), None) if !self.complete => return None,
            (Some(_), None) | (None, _) => tuning.tts_late_ms,
        };
        (self.playout == Playout::Playing).then(|| self.progress.plus_ms(patience))
    }

    /// The text as far as it was played: whole words only.
    pub(crate) fn heard(&self, tuning: &Tuning) -> &str {
        if self.played_ms == 0 {
            return "";
        }
        if self.audio_ms.is_some_and(|all| self.played_ms >= all) {
            return &self.text;
        }
        if self.words.is_empty() { self.proportional(tuning) } else { self.by_words() }
    }

    fn by_words(&self) -> &str {
        let heard = self.words.iter().filter(|word| word.end_ms <= self.played_ms).count();
        let end = word_ends(&self.text).take(heard).last().unwrap_or(0);
        self.text.get(..end).unwrap_or_default()
    }

    fn proportional(&self, tuning: &Tuning) -> &str {
        let chars = self.text.chars().count() as u64;
        let heard = match self.audio_ms {
            Some(all) if all > 0 => chars * self.played_ms.min(all) / all,
            Some(_) | None => self.played_ms.saturating_mul(tuning.chars_per_second) / 1_000,
        };
        let end = word_ends(&self.text)
            .take_while(|end| self.text.get(..*end).is_some_and(|t| t.chars().count() as u64 <= heard))
            .last()
            .unwrap_or(0);
        self.text.get(..end).unwrap_or_default()
    }
}

/// The byte offsets at which the words of a text end.
fn word_ends(text: &str) -> impl Iterator<Item = usize> + '_ {
    let inner = text
        .char_indices()
        .zip(text.chars().skip(1))
        .filter(|((_, a), b)| !a.is_whitespace() && b.is_whitespace())
        .map(|((at, c), _)| at + c.len_utf8());
    let whole = (!text.is_empty() && !text.ends_with(char::is_whitespace)).then_some(text.len());
    inner.chain(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utterance(text: &str, played_ms: u64) -> Utterance {
        let mut utterance = Utterance::new(Generation(1), Time(0));
        utterance.append(text, Time(0));
        utterance.played(played_ms, Time(0));
        utterance
    }

    fn word(text: &str, start_ms: u64, end_ms: u64) -> Word {
        Word { text: text.to_owned(), start_ms, end_ms }
    }

    #[test]
    fn word_times_decide_what_was_heard() {
        let mut said = utterance("Good morning, Ece.", 700);
        said.add_words(vec![word("Good", 0, 300), word("morning,", 300, 700), word("Ece.", 700, 1_000)]);
        assert_eq!(said.heard(&Tuning::default()), "Good morning,");
    }

    #[test]
    fn without_word_times_the_share_of_the_samples_decides() {
        let mut said = utterance("Günaydın size de, Ece hanım.", 500);
        assert_eq!(said.heard(&Tuning::default()), "", "15 characters a second");
        said.audio_ms = Some(1_000);
        assert_eq!(said.heard(&Tuning::default()), "Günaydın size");
        said.played(1_000, Time(0));
        assert_eq!(said.heard(&Tuning::default()), "Günaydın size de, Ece hanım.");
    }

    #[test]
    fn what_was_never_played_was_never_heard() {
        let mut said = utterance("Hello", 0);
        said.audio_ms = Some(0);
        assert_eq!(said.heard(&Tuning::default()), "");
    }

    #[test]
    fn an_utterance_that_waits_for_the_model_does_not_stall() {
        let tuning = Tuning::default();
        let mut said = utterance("One, two", 100);
        assert_eq!(said.stalls_at(&tuning), None, "held");
        said.playout = Playout::Playing;
        said.started = Some(Time(0));
        assert_eq!(said.stalls_at(&tuning), None, "more text may come");
        said.complete = true;
        assert_eq!(said.stalls_at(&tuning), Some(Time::from_ms(3_000)));
        said.audio_ms = Some(900);
        assert_eq!(said.stalls_at(&tuning), Some(Time::from_ms(500)));
    }
}
