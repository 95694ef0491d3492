//! What a session is given and what it reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;
use talkif_call_engine::io::{Ending, Event};
use talkif_model::flow::FlowGraph;
use talkif_model::{AccountId, CallId, Direction, E164, LeadId};
use talkif_telephony::LegQuality;
use tokio::sync::mpsc;

/// A call to hold.
#[derive(Debug, Clone)]
pub struct CallJob {
    /// The tenant.
    pub account_id: AccountId,
    /// The call.
    pub call_id: CallId,
    /// Its lead, for outbound calls.
    pub lead_id: Option<LeadId>,
    /// Who dials.
    pub direction: Direction,
    /// The person's number, where it is known.
    pub caller: Option<E164>,
    /// The flow version to run.
    pub flow: Arc<FlowGraph>,
    /// Values for the flow's templates: `contact.name`, `call.to_number`, `lead.intent` …
    pub variables: BTreeMap<String, String>,
    /// 32 hex digits, W3C.
    pub trace_id: String,
}

/// What a session reports, in order. The journal makes it durable; it never blocks audio.
#[derive(Debug, Clone)]
pub struct Report {
    /// When it happened.
    pub at: SystemTime,
    /// What.
    pub entry: Entry,
}

/// One entry of the journal of a call.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The INVITE is out. The workers report it, before the session begins.
    Dialed {
        /// SIP Call-ID.
        sip_call_id: String,
    },
    /// From the engine: statuses, turns, slots, nodes …
    Event(Event),
    /// A span of the trace.
    Span(Span),
    /// What the carrier tells about the call, `sip.…`; a later one replaces it. Personal.
    Particulars {
        /// By LiveKit's names.
        attributes: BTreeMap<String, String>,
    },
    /// A finished recording.
    Recording {
        /// Path inside the object store.
        path: String,
        /// Encrypted size.
        bytes: u64,
        /// Length.
        duration_ms: u64,
    },
    /// There should be a recording and there is none. The call went on.
    RecordingFailed {
        /// What was wrong with the disk.
        detail: String,
    },
    /// The end: the last entry.
    Finished {
        /// How the call ended.
        ending: Ending,
        /// Final SIP status, where there was one.
        sip_status: Option<u16>,
        /// Quality of the leg.
        quality: Option<LegQuality>,
    },
}

/// A span of a call's trace.
#[derive(Debug, Clone)]
pub struct Span {
    /// `dial.start`, `call.answered`, `qualify.done`, `turn` …
    pub name: &'static str,
    /// Start.
    pub started_at: SystemTime,
    /// End.
    pub ended_at: SystemTime,
    /// `ok` or `error`.
    pub ok: bool,
    /// No personal data.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// Where a session sends its reports. Unbounded: a call makes a few hundred, and the journal
/// must not slow it down.
pub type Reports = mpsc::UnboundedSender<Report>;
