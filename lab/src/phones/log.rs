//! What every phone went through.

use super::persona::PersonaKind;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The phone.
    Phone,
    /// The product.
    Product,
}

/// What an INVITE came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// It still rings.
    Ringing,
    /// It was answered.
    Answered,
    /// 486.
    Busy,
    /// The caller gave up.
    Canceled,
    /// It rang and rang.
    Unanswered,
    /// The credentials were wrong.
    Unauthorized,
    /// The callee or the network refused.
    Refused,
}

/// A word the phone heard; milliseconds since the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeardWord {
    /// The word with its punctuation.
    pub word: String,
    /// Start.
    pub start_ms: u64,
    /// End.
    pub end_ms: u64,
}

/// Something the phone said; milliseconds since the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaidText {
    /// The words.
    pub text: String,
    /// Start.
    pub start_ms: u64,
    /// End, if it was said to the end.
    pub end_ms: u64,
}

/// RTP of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Packets {
    /// Received from the product.
    pub received: u64,
    /// Sequence numbers that never came, lost on order included.
    pub lost: u64,
    /// Sent to the product.
    pub sent: u64,
}

/// One INVITE and what followed.
#[derive(Debug, Clone, Serialize)]
pub struct CallRecord {
    /// Who placed the call.
    pub caller: Side,
    /// The phone's number.
    pub number: String,
    /// The other number.
    pub from: String,
    /// SIP Call-ID.
    pub sip_call_id: String,
    /// `X-Talkif-Call` of the INVITE: which call the product says this is.
    pub talkif_call: Option<String>,
    /// Who is behind the number.
    pub persona: PersonaKind,
    /// What it came to.
    pub result: Result,
    /// Final SIP status of the INVITE.
    pub status: Option<u16>,
    /// INVITE sent or received.
    pub invited_at: Timestamp,
    /// 180 sent or received.
    pub ringing_at: Option<Timestamp>,
    /// 200 sent or received.
    pub answered_at: Option<Timestamp>,
    /// The end of it all.
    pub ended_at: Option<Timestamp>,
    /// Who hung up.
    pub hung_up_by: Option<Side>,
    /// Everything heard, as one text.
    pub heard_text: String,
    /// Everything heard, word by word.
    pub heard: Vec<HeardWord>,
    /// When the last packet with sound in it arrived before each pause of the far end.
    pub silences: Vec<Timestamp>,
    /// Everything said.
    pub said: Vec<SaidText>,
    /// Keys the product pressed.
    pub dtmf: String,
    /// Where the product transferred the call.
    pub transferred_to: Option<String>,
    /// RTP.
    pub packets: Packets,
}

impl CallRecord {
    pub(super) fn new(
        caller: Side,
        number: &str,
        from: &str,
        sip_call_id: &str,
        persona: PersonaKind,
    ) -> Self {
        Self {
            caller,
            number: number.into(),
            from: from.into(),
            sip_call_id: sip_call_id.into(),
            talkif_call: None,
            persona,
            result: Result::Ringing,
            status: None,
            invited_at: Timestamp::now(),
            ringing_at: None,
            answered_at: None,
            ended_at: None,
            hung_up_by: None,
            heard_text: String::new(),
            heard: Vec::new(),
            silences: Vec::new(),
            said: Vec::new(),
            dtmf: String::new(),
            transferred_to: None,
            packets: Packets::default(),
        }
    }
}

/// All calls since the lab started.
#[derive(Debug, Clone, Default)]
pub struct CallLog {
    records: Arc<Mutex<Vec<CallRecord>>>,
}

/// A place in the log, for the call that writes it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    log: CallLog,
    index: usize,
}

impl CallLog {
    /// A copy of all records, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<CallRecord> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn open(&self, record: CallRecord) -> Entry {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(record);
        Entry { log: self.clone(), index: records.len() - 1 }
    }
}

impl Entry {
    pub(super) fn update(&self, change: impl FnOnce(&mut CallRecord)) {
        let mut records = self.log.records.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = records.get_mut(self.index) {
            change(record);
        }
    }

    pub(super) fn ringing(&self) {
        self.update(|record| record.ringing_at = Some(Timestamp::now()));
    }

    pub(super) fn answered(&self) {
        self.update(|record| {
            record.answered_at = Some(Timestamp::now());
            record.result = Result::Answered;
            record.status = Some(200);
        });
    }

    /// The INVITE failed.
    pub(super) fn failed(&self, result: Result, status: Option<u16>) {
        self.update(|record| {
            record.result = result;
            record.status = status;
            record.ended_at = Some(Timestamp::now());
        });
    }

    pub(super) fn hung_up(&self, by: Side) {
        self.update(|record| {
            record.hung_up_by = Some(by);
            record.ended_at = Some(Timestamp::now());
        });
    }
}
