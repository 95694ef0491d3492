//! What is written down of a call.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use talkif_model::{Booking, CallStatus, EndReason, Outcome, Turn};

/// Something for the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The status moved (not to a terminal one: that is [`Ending`]).
    Status {
        /// The new status.
        status: CallStatus,
    },
    /// A turn is over.
    Turn(Turn),
    /// What the caller is saying, not final.
    Partial {
        /// The words so far.
        text: String,
    },
    /// A slot was filled or corrected.
    Slot {
        /// Its name.
        name: String,
        /// What the caller told.
        value: String,
    },
    /// The conversation moved to a node.
    Node {
        /// Its name.
        node: String,
    },
    /// The agent was interrupted (`false_alarm: false`) or went on after a false alarm.
    Interruption {
        /// Nothing was said, or a mere backchannel: playout resumed.
        false_alarm: bool,
    },
    /// Qualification reached a verdict (span `qualify.done`).
    Qualified {
        /// The verdict.
        outcome: Outcome,
    },
    /// A transfer moved on.
    Transfer {
        /// The target's name in the flow.
        name: String,
        /// How far it is.
        state: TransferState,
        /// The final SIP status, where it failed with one.
        sip_status: Option<u16>,
    },
    /// The caller asked never to be called again.
    OptedOut,
    /// An answering machine took the call.
    Voicemail,
    /// Something was wrong and was got over.
    Trouble {
        /// For the log.
        detail: String,
    },
}

/// How the call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// A terminal status.
    pub status: CallStatus,
    /// Why.
    pub end_reason: EndReason,
    /// What it came to. `None` only when a conversation took place and reached no verdict.
    pub outcome: Option<Outcome>,
    /// Why, for `not_fit`.
    pub outcome_reason: Option<String>,
    /// The booking.
    pub booking: Option<Booking>,
    /// What the caller told.
    pub slots: BTreeMap<String, String>,
    /// For the record, on failures.
    pub detail: Option<String>,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// The other telephone rings.
    Ringing,
    /// The other person has answered, in an attended transfer.
    Answered,
    /// The two are left to each other.
    Done,
    /// It came to nothing, and the conversation goes on.
    Failed,
}
