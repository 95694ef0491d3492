//! The leg as its user sees it.

use super::audio::{RATE, Speaking};
use super::shared::{Shared, is_frame};
use super::task::Command;
use super::visit::Visits;
use crate::control::SipControl;
use async_trait::async_trait;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use talkif_call_engine::io::LegEnd;
use talkif_model::flow::TransferMode;
use talkif_telephony::{
    CallLeg, LegError, LegEvent, LegQuality, Received, Rejection, Transfer, TransferError, Transferred,
};
use tokio::sync::{mpsc, oneshot};

/// A leg in a room. Dropping it hangs up and frees the room.
pub struct RoomLeg {
    pub(super) room: String,
    pub(super) control: Arc<dyn SipControl>,
    pub(super) shared: Arc<Shared>,
    pub(super) voice: Speaking,
    pub(super) visits: Visits,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) events: mpsc::UnboundedReceiver<LegEvent>,
    pub(super) ended: bool,
}

impl RoomLeg {
    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), LegError>>) -> Command,
    ) -> Result<(), LegError> {
        let over = || LegError("the call is over".to_owned());
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| over())?;
        answer.await.unwrap_or_else(|_| Err(over()))
    }
}

#[async_trait]
impl CallLeg for RoomLeg {
    /// The SIP Call-ID once the person's participant tells it; the room's name before.
    fn id(&self) -> &str {
        self.shared.call_id.get().unwrap_or(&self.room)
    }

    fn sample_rate(&self) -> u32 {
        RATE
    }

    async fn event(&mut self) -> LegEvent {
        if self.ended {
            std::future::pending::<()>().await;
        }
        let event = self.events.recv().await.unwrap_or_else(lost_task);
        self.ended = matches!(event, LegEvent::Ended { .. });
        event
    }

    fn receive(&mut self, frame: &mut [i16]) -> Received {
        if !is_frame(frame) {
            frame.fill(0);
            return Received::Silence;
        }
        self.shared.line().core.receive(frame, Instant::now())
    }

    fn send(&mut self, frame: &[i16]) {
        self.shared.speak(&mut self.voice, frame);
    }

    async fn answer(&mut self) -> Result<(), LegError> {
        self.ask(Command::Answer).await
    }

    /// LiveKit tells every refused caller 486.
    async fn reject(&mut self, _why: Rejection) -> Result<(), LegError> {
        self.ask(Command::Reject).await
    }

    fn hang_up(&mut self) {
        // If the task is gone, so is the call.
        let _ = self.commands.send(Command::HangUp);
    }

    fn send_dtmf(&mut self, digits: &str) {
        let _ = self.commands.send(Command::Keys(digits.to_owned()));
    }

    async fn transfer(&mut self, to: &str) -> Result<(), TransferError> {
        self.control.transfer(to).await
    }

    fn begin_transfer(&self, transfer: Transfer) -> BoxFuture<'static, Result<Transferred, TransferError>> {
        let (control, visits) = (Arc::clone(&self.control), self.visits.clone());
        Box::pin(async move {
            if transfer.mode == TransferMode::Blind {
                return control.transfer(&transfer.to).await.map(|()| Transferred::Away);
            }
            let visit = visits.begin(control).await;
            visit.control.consult(&transfer.to, transfer.max_ring).await?;
            visit.stays();
            Ok(Transferred::Joined)
        })
    }

    fn hand_over(&self) -> BoxFuture<'static, Result<(), TransferError>> {
        let visit = self.visits.resume(Arc::clone(&self.control));
        Box::pin(async move {
            visit.control.hand_over().await?;
            visit.stays();
            Ok(())
        })
    }

    /// The latest attributes of the person's participant: `sip.callID`, `sip.phoneNumber`,
    /// `sip.trunkPhoneNumber`, `sip.h.…`. Empty until it has joined.
    fn attributes(&self) -> BTreeMap<String, String> {
        self.shared.line().core.attributes().clone()
    }

    fn quality(&self) -> LegQuality {
        self.shared.line().core.quality()
    }
}

/// The task reports `Ended` before it goes; only its panic ends the queue without.
fn lost_task() -> LegEvent {
    let detail = "the task of the call is gone".to_owned();
    LegEvent::Ended { how: LegEnd::Failed { detail }, sip_status: None }
}
