//! What was asked of the voice and is not finished: enough to ask again after a lost connection.

use std::collections::BTreeMap;
use talkif_call_engine::io::Generation;
use tokio::time::Instant;

/// One utterance that is not finished.
#[derive(Debug)]
pub(super) struct Utterance {
    texts: Vec<String>,
    finished: bool,
    heard: bool,
    waiting_since: Instant,
}

/// All of them. A context's name is the call's nonce and the generation, so that an answer to an
/// earlier connection is never taken for one of this.
#[derive(Debug)]
pub(super) struct Utterances {
    nonce: String,
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
        Self { nonce, open: BTreeMap::new() }
    }

    pub(super) fn context(&self, generation: Generation) -> String {
        format!("{}-{}", self.nonce, generation.0)
    }

    /// The utterance of a context, if it is open.
    pub(super) fn generation(&self, context: &str) -> Option<Generation> {
        let number = context.strip_prefix(&self.nonce)?.strip_prefix('-')?;
        let generation = Generation(number.parse().ok()?);
        self.open.contains_key(&generation).then_some(generation)
    }

    /// More text. The vendor joins pieces as they are, so a piece must end in a space.
    pub(super) fn add(&mut self, generation: Generation, text: &str, now: Instant) -> String {
        let piece = if text.ends_with(char::is_whitespace) { text.to_owned() } else { format!("{text} ") };
        let utterance = self.open.entry(generation).or_insert_with(|| Utterance {
            texts: Vec::new(),
            finished: false,
            heard: false,
            waiting_since: now,
        });
        utterance.texts.push(piece.clone());
        utterance.waiting_since = now;
        piece
    }

    /// No more text; `false` if the utterance is not open.
    pub(super) fn finish(&mut self, generation: Generation) -> bool {
        self.open.get_mut(&generation).map(|utterance| utterance.finished = true).is_some()
    }

    /// Something of the utterance arrived.
    pub(super) fn heard(&mut self, generation: Generation, now: Instant) {
        if let Some(utterance) = self.open.get_mut(&generation) {
            utterance.heard = true;
            utterance.waiting_since = now;
        }
    }

    /// Forgets the utterance; `false` if it was not open.
    pub(super) fn close(&mut self, generation: Generation) -> bool {
        self.open.remove(&generation).is_some()
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
        let nonce = &self.nonce;
        let ask_again = |(generation, utterance): (&Generation, &mut Utterance)| {
            utterance.waiting_since = now;
            let context = format!("{nonce}-{}", generation.0);
            Unheard { context, texts: utterance.texts.clone(), finished: utterance.finished }
        };
        self.open.iter_mut().map(ask_again).collect()
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
