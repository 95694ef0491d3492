//! Putting the caller through to somebody else.
//!
//! The agent says so; then the other telephone rings while the caller hears music, and what the
//! caller says is recorded but not answered. A blind transfer is over when the carrier says that it
//! worked. In an attended one, the agent introduces the two, leaves them to each other and hangs
//! up. Where nobody answers, the model hears why and the conversation goes on.

use crate::ending::Cause;
use crate::engine::Engine;
use crate::io::{Event, Output, Time, TransferEnd, TransferState};
use crate::utterance::Utterance;
use serde_json::json;
use talkif_model::Outcome;
use talkif_model::flow::TransferTarget;

/// A transfer under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transferring {
    /// The model's id of the tool call, which is answered only where the transfer fails.
    call: String,
    /// The target's name in the flow.
    name: String,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The agent says what is to come.
    Announcing,
    /// The other telephone rings.
    Ringing { give_up_at: Time },
    /// Both hear the agent.
    Introducing,
    /// The leg is to leave them to each other.
    Leaving { give_up_at: Time },
}

impl Transferring {
    /// Whether the leg is at it.
    const fn is_asked_for(&self) -> bool {
        matches!(self.stage, Stage::Ringing { .. } | Stage::Leaving { .. })
    }
}

impl Engine {
    /// The model wants to put the caller through. `Err` tells it why that cannot be.
    pub(crate) fn begin_transfer(&mut self, call: &str, name: String, spoke: bool) -> Result<(), String> {
        if !self.config.flow.transfer.contains_key(&name) {
            let names: Vec<&str> = self.config.flow.transfer.keys().map(String::as_str).collect();
            return Err(format!("nobody is called `{name}`; there are: {}", names.join(", ")));
        }
        if self.transfer.is_some() {
            return Err("a transfer is under way".to_owned());
        }
        self.transfer = Some(Transferring { call: call.to_owned(), name, stage: Stage::Announcing });
        if !spoke {
            self.say_line(self.phrases.filler);
        }
        self.mouth.make_uninterruptible();
        self.resume_playout();
        Ok(())
    }

    /// Takes the next step when all that was to be said has been heard.
    pub(crate) fn advance_transfer(&mut self) {
        if !self.mouth.is_empty() || self.closing.is_some() {
            return;
        }
        match self.transfer.as_ref().map(|transfer| (&transfer.stage, transfer.name.clone())) {
            Some((Stage::Announcing, name)) => self.ring(&name),
            Some((Stage::Introducing, _)) => {
                let give_up_at = self.now.plus_ms(self.config.tuning.hang_up_ms);
                self.set_transfer_stage(Stage::Leaving { give_up_at });
                self.push(Output::HandOver);
            }
            Some((Stage::Ringing { .. } | Stage::Leaving { .. }, _)) | None => {}
        }
    }

    fn ring(&mut self, name: &str) {
        // The flow never changes during a call.
        let Some(target) = self.config.flow.transfer.get(name).cloned() else { return };
        let TransferTarget { to, mode, max_ring_s, .. } = target;
        let max_ring_ms = u64::from(max_ring_s) * 1_000;
        let give_up_at = self.now.plus_ms(max_ring_ms + self.config.tuning.transfer_grace_ms);
        self.set_transfer_stage(Stage::Ringing { give_up_at });
        self.push(Output::Transfer { to, mode, max_ring_ms });
        self.note_transfer(TransferState::Ringing, None);
    }

    /// A step of the transfer is done. What nobody waits for any more is passed over.
    pub(crate) fn transfer_ended(&mut self, how: TransferEnd) {
        let Some(stage) = self.transfer.as_ref().map(|transfer| transfer.stage.clone()) else { return };
        match (stage, how) {
            (_, TransferEnd::Failed { sip_status }) => self.transfer_failed(sip_status),
            (Stage::Ringing { .. }, TransferEnd::Away) | (Stage::Leaving { .. }, TransferEnd::HandedOver) => {
                self.transferred();
            }
            (Stage::Ringing { .. }, TransferEnd::Joined) => self.introduce(),
            _ => {}
        }
    }

    fn introduce(&mut self) {
        self.set_transfer_stage(Stage::Introducing);
        self.note_transfer(TransferState::Answered, None);
        let target = self.transfer.as_ref().and_then(|t| self.config.flow.transfer.get(&t.name));
        let text = target.map(|target| target.introduction.clone()).unwrap_or_default();
        if !text.trim().is_empty() {
            let mut utterance = Utterance::new(self.next_generation(), self.now);
            utterance.interruptible = false;
            self.say(utterance, text.trim());
        }
    }

    /// A lead who was put through to somebody is qualified, unless the model knew better.
    fn transferred(&mut self) {
        self.note_transfer(TransferState::Done, None);
        self.transfer = None;
        if self.verdict.decided.is_none() {
            let outcome = if self.verdict.booking.is_some() { Outcome::Booked } else { Outcome::Qualified };
            self.verdict.decided = Some((outcome, None));
            self.emit(Event::Qualified { outcome });
        }
        self.hang_up(Cause::Transferred);
    }

    fn transfer_failed(&mut self, sip_status: Option<u16>) {
        self.note_transfer(TransferState::Failed, sip_status);
        let Some(transfer) = self.transfer.take() else { return };
        let why = match sip_status {
            Some(486 | 600) => "busy",
            Some(404 | 410 | 484 | 604) => "there is no such number",
            Some(403 | 603) => "declined",
            Some(408 | 480 | 487) | None => "no answer",
            Some(_) => "the call failed",
        };
        let result = json!({ "error": format!("not put through: {why}. Tell the caller, and go on.") });
        self.history.tool_result(&transfer.call, &result.to_string());
        self.record_unanswered_words();
        self.begin_answer();
    }

    /// The conversation ends otherwise: there is nothing to wait for.
    pub(crate) fn forget_transfer(&mut self) {
        if self.transfer.take().is_some_and(|transfer| transfer.is_asked_for()) {
            self.push(Output::GiveUpTransfer);
        }
    }

    pub(crate) fn transfer_deadline(&self) -> Option<Time> {
        match self.transfer.as_ref()?.stage {
            Stage::Ringing { give_up_at } | Stage::Leaving { give_up_at } => Some(give_up_at),
            Stage::Announcing | Stage::Introducing => None,
        }
    }

    /// The shell never said what became of it.
    pub(crate) fn transfer_late(&mut self) {
        self.trouble("a transfer was not decided in time");
        self.push(Output::GiveUpTransfer);
        self.transfer_failed(None);
    }

    fn set_transfer_stage(&mut self, stage: Stage) {
        if let Some(transfer) = &mut self.transfer {
            transfer.stage = stage;
        }
    }

    fn note_transfer(&mut self, state: TransferState, sip_status: Option<u16>) {
        let Some(name) = self.transfer.as_ref().map(|transfer| transfer.name.clone()) else { return };
        self.emit(Event::Transfer { name, state, sip_status });
    }
}
