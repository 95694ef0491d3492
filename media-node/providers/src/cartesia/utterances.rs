//! What was asked of the voice and is not finished: enough to ask again after a lost connection.

use std::collections::BTreeMap;
use talkif_call_engine::io::Generation;
use tokio::time::Instant;

/// One utterance that is not finished.
#[derive(Debug)]
struct Utterance {
    context: String,
    texts: Vec<String>,
    finished: bool,
    heard: bool,
    waiting_since: Instant,
}

/// All of them. Every utterance gets a context name of its own, also one that is asked for a
/// second time, so that a late answer to the first attempt is never taken for one to the second.
#[derive(Debug)]
pub(super) struct Utterances {
    nonce: String,
    opened: u64,
    open: BTreeMap<Generation, Utterance>,
}

/// What remains to be asked after a new connection.
pub(super) struct Unheard {
    pub(super) context: String,
    pub(super) texts: Vec<String>,
    pub(super) finished: bool,
}

impl Utterances {
    pub(super) const fn new(nonce: String) -> Self {
        Self { nonce, opened: 0, open: BTreeMap::new() }
    }

    /// The open utterance of a context.
    pub(super) fn generation(&self, context: &str) -> Option<Generation> {
        let named = |(_, utterance): &(&Generation, &Utterance)| utterance.context == context;
        self.open.iter().find(named).map(|(generation, _)| *generation)
    }

    /// More text; returns its context and the text as it must be sent. The vendor joins pieces as
    /// they are, so a piece must end in a space.
    pub(super) fn add(&mut self, generation: Generation, text: &str, now: Instant) -> (String, String) {
        let piece = if text.ends_with(char::is_whitespace) { text.to_owned() } else { format!("{text} ") };
        if !self.open.contains_key(&generation) {
            self.opened += 1;
        }
        let utterance = self.open.entry(generation).or_insert_with(|| Utterance {
            context: format!("{}-{}", self.nonce, self.opened),
            texts: Vec::new(),
            finished: false,
            heard: false,
            waiting_since: now,
        });
        utterance.texts.push(piece.clone());
        utterance.waiting_since = now;
        (utterance.context.clone(), piece)
    }

    /// No more text; returns the context if the utterance is open.
    pub(super) fn finish(&mut self, generation: Generation) -> Option<String> {
        let utterance = self.open.get_mut(&generation)?;
        utterance.finished = true;
        Some(utterance.context.clone())
    }

    /// Something of the utterance arrived.
    pub(super) fn heard(&mut self, generation: Generation, now: Instant) {
        if let Some(utterance) = self.open.get_mut(&generation) {
            utterance.heard = true;
            utterance.waiting_since = now;
        }
    }

    /// Forgets the utterance; returns its context if it was open.
    pub(super) fn close(&mut self, generation: Generation) -> Option<String> {
        self.open.remove(&generation).map(|utterance| utterance.context)
    }

    /// Forgets all utterances.
    pub(super) fn close_all(&mut self) -> Vec<Generation> {
        std::mem::take(&mut self.open).into_keys().collect()
    }

    /// Forgets those that were cut off in the middle: asked again they would start over.
    pub(super) fn close_heard(&mut self) -> Vec<Generation> {
        let (cut, whole): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.open).into_iter().partition(|(_, utterance)| utterance.heard);
        self.open = whole;
        cut.into_keys().collect()
    }

    /// Those that can be asked again, which starts their wait anew.
    pub(super) fn unheard(&mut self, now: Instant) -> Vec<Unheard> {
        let ask_again = |utterance: &mut Utterance| {
            utterance.waiting_since = now;
            let (context, texts) = (utterance.context.clone(), utterance.texts.clone());
            Unheard { context, texts, finished: utterance.finished }
        };
        self.open.values_mut().map(ask_again).collect()
    }

    /// The one that has waited longest for the vendor, and since when. An utterance that was heard
    /// and may still get text waits for us, not for the vendor.
    pub(super) fn longest_wait(&self) -> Option<(Generation, Instant)> {
        self.open
            .iter()
            .filter(|(_, utterance)| utterance.finished || !utterance.heard)
            .map(|(generation, utterance)| (*generation, utterance.waiting_since))
            .min_by_key(|(_, since)| *since)
    }
}
