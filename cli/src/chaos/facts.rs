//! What was seen from outside, as plain values. The checks know nothing else.

use super::cast::{Kind, Role, Wave};
use serde::Deserialize;

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The customer's book.
    pub(super) leads: Vec<Lead>,
    /// The phones' log.
    pub(super) rings: Vec<Ring>,
    /// The webhook receiver's log.
    pub(super) arrivals: Vec<Arrival>,
    /// The database.
    pub(super) stored: Stored,
    /// What is there after everything was stopped.
    pub(super) left: Left,
    /// Calls that rang at once when as many leads as there are slots came in, and the slots.
    pub(super) slots: (usize, usize),
    /// When Postgres was away and nothing else was wrong.
    pub(super) outage: Outage,
}

/// From when until when, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outage {
    pub(super) gone_us: i64,
    pub(super) back_us: i64,
}

/// What became of a request for a lead, as the customer saw it.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) number: String,
    pub(super) kind: Kind,
    pub(super) wave: Wave,
    /// Lead and call of the first 202.
    pub(super) accepted: Option<(String, String)>,
    /// The lead that a repeated request was answered with.
    pub(super) repeated: Option<String>,
    /// Refused with 422.
    pub(super) refused: bool,
    /// Answers other than 202, 422, 429 and 503, as `status code`.
    pub(super) odd: Vec<String>,
    /// 503 with `Retry-After`.
    pub(super) postponed: usize,
    /// 503 without.
    pub(super) hasty: usize,
    /// Requests that had to be repeated.
    pub(super) retries: usize,
    /// Canceled with 200.
    pub(super) canceled: bool,
}

impl Lead {
    pub(super) fn of(role: &Role) -> Self {
        Self {
            number: role.number.clone(),
            kind: role.kind,
            wave: role.wave,
            accepted: None,
            repeated: None,
            refused: false,
            odd: Vec::new(),
            postponed: 0,
            hasty: 0,
            retries: 0,
            canceled: false,
        }
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.accepted.as_ref().map(|(lead, _)| lead.as_str())
    }
}

/// One INVITE. Times are microseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Ring {
    pub(super) number: String,
    /// Which call the INVITE says it is.
    pub(super) call: Option<String>,
    pub(super) invited_us: i64,
    pub(super) answered_us: Option<i64>,
    pub(super) ended_us: Option<i64>,
    /// The ends of the words that were heard, in order.
    pub(super) words_us: Vec<i64>,
}

impl Ring {
    pub(super) const fn is_over(&self) -> bool {
        self.ended_us.is_some()
    }
}

/// One request at the webhook receiver.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrival {
    /// `webhook-id`.
    pub(super) id: String,
    /// `id` of the body.
    pub(super) body_id: String,
    pub(super) event: String,
    pub(super) call: String,
    pub(super) lead: String,
    /// Tells bodies apart.
    pub(super) digest: u64,
    pub(super) verified: bool,
}

/// Rows of the database.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) leads: Vec<LeadRow>,
    pub(super) calls: Vec<CallRow>,
    pub(super) deliveries: Vec<DeliveryRow>,
    /// Totals of lists of calls that are not what the calls come to.
    pub(super) wrong_totals: Vec<String>,
}

/// A lead.
#[derive(Debug, Clone, Default)]
pub(super) struct LeadRow {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) state: String,
}

/// A call.
#[derive(Debug, Clone, Default)]
pub(super) struct CallRow {
    pub(super) id: String,
    pub(super) lead: String,
    pub(super) number: String,
    pub(super) attempt: i64,
    pub(super) status: String,
    pub(super) end_reason: Option<String>,
    pub(super) failure_detail: Option<String>,
    pub(super) outcome: Option<String>,
    /// The INVITE was allowed.
    pub(super) is_dialed: bool,
    /// The INVITE was reported.
    pub(super) is_started: bool,
    pub(super) is_answered: bool,
    pub(super) answered_us: Option<i64>,
    pub(super) billed_minutes: Option<i64>,
    /// There is a recording.
    pub(super) is_recorded: bool,
    /// There should be one, and the log says why there is none.
    pub(super) recording_failed: bool,
    pub(super) ended_us: Option<i64>,
    pub(super) is_leased: bool,
    /// `call.ended` in the log of events.
    pub(super) endings: i64,
}

/// A webhook delivery.
#[derive(Debug, Clone, Default)]
pub(super) struct DeliveryRow {
    pub(super) event_id: String,
    pub(super) event: String,
    pub(super) state: String,
    pub(super) is_leased: bool,
}

/// What is there after everything was stopped; every list should be empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Left {
    pub(super) processes: Vec<String>,
    /// Processes that ended although nobody ended them.
    pub(super) fallen: Vec<String>,
    pub(super) unfinished_files: Vec<String>,
    /// Recordings that no row names.
    pub(super) unnamed_recordings: Vec<String>,
    /// Rows whose recording is gone.
    pub(super) missing_recordings: Vec<String>,
    pub(super) nodes: Vec<String>,
    /// Entries of the stream that somebody read and nobody acknowledged.
    pub(super) unacknowledged: Vec<String>,
    /// Rooms in LiveKit.
    pub(super) rooms: Vec<String>,
}

/// An entry of the lab's log, as far as it matters.
#[derive(Debug, Deserialize)]
pub(super) struct LabRecord {
    number: String,
    caller: String,
    result: String,
    talkif_call: Option<String>,
    invited_at: jiff::Timestamp,
    answered_at: Option<jiff::Timestamp>,
    ended_at: Option<jiff::Timestamp>,
    heard: Vec<LabWord>,
}

#[derive(Debug, Deserialize)]
struct LabWord {
    end_ms: i64,
}

impl LabRecord {
    /// `None` for what was no INVITE of ours to a phone.
    pub(super) fn ring(self) -> Option<Ring> {
        if self.caller != "product" || self.result == "unauthorized" {
            return None;
        }
        let answered_us = self.answered_at.map(jiff::Timestamp::as_microsecond);
        let heard = |us: i64| self.heard.iter().map(|word| us + word.end_ms * 1_000).collect();
        Some(Ring {
            number: self.number,
            call: self.talkif_call,
            invited_us: self.invited_at.as_microsecond(),
            answered_us,
            ended_us: self.ended_at.map(jiff::Timestamp::as_microsecond),
            words_us: answered_us.map(heard).unwrap_or_default(),
        })
    }
}
