//! What the caller is saying in the turn that is not over yet: speech, words, and when the turn
//! would be over.

use crate::endpointing::{delay_ms, sounds_done};
use crate::io::{DeadlineReason, Time};
use crate::tuning::Tuning;
use crate::words::beyond;

/// Words that come earlier in a stretch of speech belong to the stretch before it.
const OWN_WORDS_MS: u64 = 300;

/// Whether the caller's voice is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Speech {
    /// No voice.
    #[default]
    Quiet,
    /// Voice.
    Speaking {
        /// First sample.
        since: Time,
        /// When it last showed that it is real: its begin, or words.
        active: Time,
        /// Whether words came that can only be its own.
        worded: bool,
    },
    /// Voice was on, and its words are awaited.
    Unheard {
        /// Last sample.
        ended: Time,
        /// Its length.
        length_ms: u64,
    },
}

/// A finished turn of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// First speech sample.
    pub(crate) started: Time,
    /// Last speech sample.
    pub(crate) ended: Time,
    /// When the last final words came.
    pub(crate) final_at: Time,
}

/// The caller's running turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) speech: Speech,
    finals: String,
    partial: String,
    end_of_turn: Option<f32>,
    first_speech: Option<Time>,
    last_speech: Option<Time>,
    final_at: Option<Time>,
    /// Words of a turn that was ended on partial words: their final form is still to come, and
    /// is not said twice.
    owed: Option<String>,
    /// Speculative answers in this turn.
    pub(crate) speculations: u32,
}

impl Caller {
    /// Voice began.
    pub(crate) fn speech_started(&mut self, at: Time, now: Time) {
        self.first_speech.get_or_insert(at);
        self.speech = Speech::Speaking { since: at, active: now, worded: false };
    }

    /// Voice ended. Ends that have no begin are ignored.
    pub(crate) fn speech_ended(&mut self, at: Time) {
        let Speech::Speaking { since, worded, .. } = self.speech else { return };
        let ended = at.max(since);
        self.last_speech = Some(ended);
        self.speech = if worded {
            Speech::Quiet
        } else {
            Speech::Unheard { ended, length_ms: (ended.0 - since.0) / 1_000 }
        };
    }

    /// The recogniser heard words. Returns whether the turn's text has changed.
    pub(crate) fn heard(&mut self, text: &str, is_final: bool, score: Option<f32>, now: Time) -> bool {
        let before = self.text();
        let fresh = self.owed.as_deref().map_or(text.trim(), |owed| beyond(text, owed)).to_owned();
        if is_final {
            self.owed = None;
            self.finish_words(&fresh, now);
        } else {
            self.partial = fresh;
        }
        self.end_of_turn = score;
        let changed = self.text() != before;
        if changed {
            self.note_words(now);
        }
        changed
    }

    fn finish_words(&mut self, fresh: &str, now: Time) {
        self.partial.clear();
        if fresh.is_empty() {
            return;
        }
        if !self.finals.is_empty() {
            self.finals.push(' ');
        }
        self.finals.push_str(fresh);
        self.final_at = Some(now);
    }

    /// Words are proof of speech. Where the voice detector missed it, it ends now.
    fn note_words(&mut self, now: Time) {
        self.first_speech.get_or_insert(now);
        match &mut self.speech {
            Speech::Speaking { since, active, worded } => {
                *active = now;
                *worded |= now >= since.plus_ms(OWN_WORDS_MS);
            }
            Speech::Unheard { .. } => self.speech = Speech::Quiet,
            Speech::Quiet => {
                self.last_speech.get_or_insert(now);
            }
        }
    }

    /// All words of the turn so far.
    pub(crate) fn text(&self) -> String {
        match (self.finals.is_empty(), self.partial.is_empty()) {
            (_, true) => self.finals.clone(),
            (true, false) => self.partial.clone(),
            (false, false) => format!("{} {}", self.finals, self.partial),
        }
    }

    /// Whether there are words.
    pub(crate) fn has_words(&self) -> bool {
        !self.finals.is_empty() || !self.partial.is_empty()
    }

    /// Whether words may still change.
    pub(crate) fn is_tentative(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Whether the voice is on.
    pub(crate) fn is_speaking(&self) -> bool {
        matches!(self.speech, Speech::Speaking { .. })
    }

    /// Whether nothing is being said and no words are awaited that would be said over.
    pub(crate) fn leaves_the_floor(&self, now: Time, tuning: &Tuning) -> bool {
        match self.speech {
            Speech::Quiet => true,
            Speech::Speaking { .. } => false,
            Speech::Unheard { ended, .. } => now >= ended.plus_ms(tuning.murmur_ms),
        }
    }

    /// When the turn is over, and what is waited for.
    pub(crate) fn turn_ends(&self, tuning: &Tuning) -> Option<(Time, DeadlineReason)> {
        let settled = self.has_words() && self.speech == Speech::Quiet;
        let anchor = self.last_speech.filter(|_| settled)?;
        let delay = delay_ms(&self.text(), self.end_of_turn, tuning);
        if self.is_tentative() {
            Some((anchor.plus_ms(delay.max(tuning.final_wait_ms)), DeadlineReason::TranscriptLate))
        } else {
            Some((anchor.plus_ms(delay), DeadlineReason::Endpointing))
        }
    }

    /// When speech without words, or without end, must be dealt with. An answer that waits to
    /// be played is not kept waiting for words that may never come.
    pub(crate) fn speech_doubted(&self, answer_waits: bool, tuning: &Tuning) -> Option<Time> {
        match self.speech {
            Speech::Quiet => None,
            Speech::Speaking { active, .. } => Some(active.plus_ms(tuning.stuck_speech_ms)),
            Speech::Unheard { ended, length_ms } => {
                let patient = length_ms >= tuning.unheard_speech_ms && !answer_waits;
                Some(ended.plus_ms(if patient { tuning.unheard_wait_ms } else { tuning.murmur_ms }))
            }
        }
    }

    /// Whether the words are final and sound like a whole turn: worth asking the model early.
    pub(crate) fn sounds_done(&self, tuning: &Tuning) -> bool {
        self.has_words() && !self.is_tentative() && sounds_done(&self.text(), self.end_of_turn, tuning)
    }

    /// Ends the turn. `None` if nothing was said.
    pub(crate) fn take(&mut self, now: Time) -> Option<Said> {
        let text = self.text();
        let owed = self.is_tentative().then(|| self.partial.clone());
        let (first, last, final_at) = (self.first_speech, self.last_speech, self.final_at);
        self.forget();
        self.owed = owed.or(self.owed.take());
        let ended = last.unwrap_or(now);
        (!text.is_empty()).then(|| Said {
            text,
            started: first.unwrap_or(ended).min(ended),
            ended,
            final_at: final_at.unwrap_or(now),
        })
    }

    /// Drops words that were none of a turn: a backchannel, the echo of a false alarm.
    pub(crate) fn forget(&mut self) {
        self.finals.clear();
        self.partial.clear();
        self.end_of_turn = None;
        self.final_at = None;
        self.speculations = 0;
        match self.speech {
            Speech::Speaking { since, .. } => {
                self.first_speech = Some(since);
                self.last_speech = None;
            }
            Speech::Quiet | Speech::Unheard { .. } => {
                self.first_speech = None;
                self.last_speech = None;
                self.speech = Speech::Quiet;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    fn speaks(caller: &mut Caller, from: u64, to: u64) {
        caller.speech_started(ms(from), ms(from + 60));
        caller.speech_ended(ms(to));
    }

    #[test]
    fn a_late_transcript_costs_nothing_extra() {
        let mut caller = Caller::default();
        speaks(&mut caller, 0, 1_000);
        assert!(caller.heard("I want a demo.", true, None, ms(1_290)));
        let due = caller.turn_ends(&Tuning::default());
        assert_eq!(due, Some((ms(1_300), DeadlineReason::Endpointing)));
    }

    #[test]
    fn the_final_form_of_a_turn_that_was_ended_early_is_not_said_twice() {
        let mut caller = Caller::default();
        speaks(&mut caller, 0, 1_000);
        caller.heard("i want", false, None, ms(800));
        assert_eq!(caller.take(ms(1_800)).map(|said| said.text), Some("i want".to_owned()));
        assert!(!caller.heard("I want.", true, None, ms(2_500)));
        assert!(!caller.has_words());

        caller.heard("i want", false, None, ms(2_600));
        caller.take(ms(2_700));
        caller.heard("I want a demo.", true, None, ms(2_800));
        assert_eq!(caller.text(), "a demo.");
    }

    #[test]
    fn two_finals_make_one_turn() {
        let mut caller = Caller::default();
        speaks(&mut caller, 0, 1_000);
        caller.heard("Yes.", true, None, ms(600));
        caller.heard("Tomorrow.", true, None, ms(1_200));
        let said = caller.take(ms(1_300));
        assert_eq!(said.map(|s| (s.text, s.final_at)), Some(("Yes. Tomorrow.".to_owned(), ms(1_200))));
    }

    #[test]
    fn words_without_voice_end_when_they_come() {
        let mut caller = Caller::default();
        caller.heard("Hello.", true, None, ms(500));
        assert_eq!(caller.turn_ends(&Tuning::default()), Some((ms(800), DeadlineReason::Endpointing)));
    }

    #[test]
    fn a_second_end_of_speech_changes_nothing() {
        let mut caller = Caller::default();
        speaks(&mut caller, 0, 1_000);
        caller.speech_ended(ms(9_000));
        assert_eq!(caller.speech, Speech::Unheard { ended: ms(1_000), length_ms: 1_000 });
    }
}
