//! The agent's utterances in the order in which they are to be heard. Only the first is ever on
//! the wire.

use crate::io::Generation;
use crate::utterance::{Playout, Utterance};
use std::collections::VecDeque;

/// The utterances that are playing or waiting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mouth {
    queue: VecDeque<Utterance>,
}

impl Mouth {
    /// The utterance that is on the wire, or is the next to be.
    pub(crate) fn front(&self) -> Option<&Utterance> {
        self.queue.front()
    }

    /// As [`Mouth::front`].
    pub(crate) fn front_mut(&mut self) -> Option<&mut Utterance> {
        self.queue.front_mut()
    }

    /// The utterance on the wire: playing or paused.
    pub(crate) fn on_wire(&self) -> Option<&Utterance> {
        self.front().filter(|utterance| utterance.playout != Playout::Held)
    }

    /// Any utterance.
    pub(crate) fn get_mut(&mut self, generation: Generation) -> Option<&mut Utterance> {
        self.queue.iter_mut().find(|utterance| utterance.generation == generation)
    }

    /// Whether nothing is to be said.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// To be said after all others.
    pub(crate) fn push_last(&mut self, utterance: Utterance) {
        self.queue.push_back(utterance);
    }

    /// To be said next: after what is on the wire, before all that waits.
    pub(crate) fn push_next(&mut self, utterance: Utterance) {
        let place = usize::from(self.on_wire().is_some());
        self.queue.insert(place.min(self.queue.len()), utterance);
    }

    /// What waits and may be dropped.
    pub(crate) fn waiting(&self) -> Vec<Generation> {
        let waits = |u: &&Utterance| u.playout == Playout::Held && u.interruptible;
        self.queue.iter().filter(waits).map(|u| u.generation).collect()
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, generation: Generation) -> Option<Utterance> {
        let place = self.queue.iter().position(|utterance| utterance.generation == generation)?;
        self.queue.remove(place)
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self) -> Option<Utterance> {
        self.queue.pop_front()
    }

    /// Whatever is to be said may be dropped: the call ends.
    pub(crate) fn make_interruptible(&mut self) {
        for utterance in &mut self.queue {
            utterance.interruptible = true;
        }
    }

    /// Nothing may stop what is to be said from now on.
    pub(crate) fn make_uninterruptible(&mut self) {
        for utterance in &mut self.queue {
            utterance.interruptible = false;
        }
    }
}
