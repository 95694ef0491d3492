//! What a session reported and Postgres does not have yet. Pure.
//!
//! Full has a written answer: at [`CAPACITY`] entries, spans and remarks are no longer taken
//! and only counted. Statuses, turns, slots, recordings and the end always are: a call makes at
//! most some hundreds of them, bounded by its maximal length.

use std::collections::VecDeque;
use talkif_call_engine::io::Event;
use talkif_session::job::{Entry, Report};

/// Entries of one call that may wait for Postgres.
const CAPACITY: usize = 4_096;
/// Entries of one statement.
const BATCH: usize = 200;

/// What is written by one statement.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An entry that has its own statement.
    One(Box<Report>),
    /// Entries that are written together.
    Batch(Vec<Report>),
}

/// Entries in order of reporting.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    waiting: VecDeque<Report>,
    refused: u64,
}

impl Buffer {
    pub(super) fn push(&mut self, report: Report) {
        if !is_stored(&report.entry) {
            return;
        }
        if self.waiting.len() >= CAPACITY && !is_essential(&report.entry) {
            self.refused += 1;
            return;
        }
        self.waiting.push_back(report);
    }

    /// Takes what goes into the next statement.
    pub(super) fn next(&mut self) -> Option<Step> {
        let first = self.waiting.pop_front()?;
        if !is_batched(&first.entry) {
            return Some(Step::One(Box::new(first)));
        }
        let more = self.waiting.iter().take(BATCH - 1).take_while(|report| is_batched(&report.entry)).count();
        Some(Step::Batch(std::iter::once(first).chain(self.waiting.drain(..more)).collect()))
    }

    /// How many entries were not taken.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

/// Partial transcripts are for live viewers only.
const fn is_stored(entry: &Entry) -> bool {
    !matches!(entry, Entry::Event(Event::Partial { .. }))
}

const fn is_essential(entry: &Entry) -> bool {
    match entry {
        Entry::Dialed { .. }
        | Entry::Recording { .. }
        | Entry::RecordingFailed { .. }
        | Entry::Finished { .. } => true,
        Entry::Event(event) => matches!(
            event,
            Event::Status { .. }
                | Event::Turn(_)
                | Event::Slot { .. }
                | Event::OptedOut
                | Event::Qualified { .. }
        ),
        Entry::Particulars { .. } | Entry::Span(_) => false,
    }
}

const fn is_batched(entry: &Entry) -> bool {
    match entry {
        Entry::Dialed { .. } | Entry::Recording { .. } | Entry::Finished { .. } => false,
        Entry::Event(event) => !matches!(event, Event::Status { .. }),
        Entry::Particulars { .. } | Entry::RecordingFailed { .. } | Entry::Span(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;
    use talkif_model::CallStatus;

    fn report(event: Event) -> Report {
        Report { at: SystemTime::UNIX_EPOCH, entry: Entry::Event(event) }
    }

    fn node() -> Report {
        report(Event::Node { node: "main".into() })
    }

    fn status() -> Report {
        report(Event::Status { status: CallStatus::Ringing })
    }

    #[test]
    fn neighbours_go_together_and_order_is_kept() {
        let mut buffer = Buffer::default();
        for entry in [node(), node(), status(), node()] {
            buffer.push(entry);
        }
        assert!(matches!(buffer.next(), Some(Step::Batch(batch)) if batch.len() == 2));
        assert!(matches!(buffer.next(), Some(Step::One(_))));
        assert!(matches!(buffer.next(), Some(Step::Batch(batch)) if batch.len() == 1));
        assert!(buffer.next().is_none());
    }

    #[test]
    fn what_is_being_said_is_never_stored() {
        let mut buffer = Buffer::default();
        buffer.push(report(Event::Partial { text: "I wo".into() }));
        assert!(buffer.next().is_none());
    }

    #[test]
    fn a_full_buffer_refuses_remarks_but_takes_what_matters() {
        let mut buffer = Buffer::default();
        for _ in 0..CAPACITY + 5 {
            buffer.push(node());
        }
        buffer.push(status());
        assert_eq!(buffer.refused(), 5);
        let steps: Vec<Step> = std::iter::from_fn(|| buffer.next()).collect();
        assert!(matches!(steps.last(), Some(Step::One(_))));
    }
}
