//! The leg as its user sees it: queues to the control task, and the media.

use super::media::{Media, Outgoing};
use crate::port::{
    CallLeg, LegError, LegEvent, LegQuality, Received, Rejection, Transfer, TransferError, Transferred,
};
use async_trait::async_trait;
use futures::future::BoxFuture;
use std::sync::Arc;
use talkif_media::TELEPHONE_RATE;
use tokio::sync::{mpsc, oneshot};

/// What the user asks of the control task.
#[derive(Debug)]
pub(super) enum Command {
    /// Answer the inbound call.
    Answer(oneshot::Sender<Result<(), LegError>>),
    /// Refuse it.
    Reject(Rejection, oneshot::Sender<Result<(), LegError>>),
    /// End the call, whatever its state.
    HangUp,
    /// Send keys by INFO: the far end takes no telephone-events.
    Keys(String),
    /// Transfer the caller.
    Transfer(String, oneshot::Sender<Result<(), TransferError>>),
}

/// A SIP leg. Dropping it closes the command queue, which the control task takes as hanging up.
pub(super) struct DirectLeg {
    id: String,
    media: Arc<Media>,
    outgoing: Outgoing,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<LegEvent>,
    keys: mpsc::Receiver<char>,
    ended: bool,
}

/// The queues between a leg and its control task.
pub(super) struct Queues {
    /// Read by the control task.
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Written by the control task; a handful a call.
    pub(super) events: mpsc::UnboundedSender<LegEvent>,
    /// Written by the media and, for INFO, by the control task.
    pub(super) keys: mpsc::Sender<char>,
}

/// The other ends of [`Queues`].
pub(super) struct LegQueues {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<LegEvent>,
    keys: mpsc::Receiver<char>,
}

/// Key presses that wait for the leg's user; more are dropped.
const MAX_KEYS: usize = 64;

/// Makes the queues of one call.
pub(super) fn queues() -> (Queues, LegQueues) {
    let (commands_in, commands) = mpsc::unbounded_channel();
    let (events, events_out) = mpsc::unbounded_channel();
    let (keys, keys_out) = mpsc::channel(MAX_KEYS);
    let leg = LegQueues { commands: commands_in, events: events_out, keys: keys_out };
    (Queues { commands, events, keys }, leg)
}

impl DirectLeg {
    pub(super) fn new(id: String, media: Arc<Media>, queues: LegQueues) -> Self {
        let LegQueues { commands, events, keys } = queues;
        let outgoing = Outgoing::new(rand::random(), rand::random(), rand::random());
        Self { id, media, outgoing, commands, events, keys, ended: false }
    }

    async fn ask<E>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), E>>) -> Command,
        gone: E,
    ) -> Result<(), E> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(command(reply)).is_err() {
            return Err(gone);
        }
        answer.await.unwrap_or(Err(gone))
    }
}

#[async_trait]
impl CallLeg for DirectLeg {
    fn id(&self) -> &str {
        &self.id
    }

    fn sample_rate(&self) -> u32 {
        TELEPHONE_RATE
    }

    async fn event(&mut self) -> LegEvent {
        if self.ended {
            std::future::pending::<()>().await;
        }
        let event = tokio::select! {
            biased;
            Some(key) = self.keys.recv() => LegEvent::Dtmf(key),
            event = self.events.recv() => event.unwrap_or_else(lost_control),
        };
        self.ended = matches!(event, LegEvent::Ended { .. });
        event
    }

    fn receive(&mut self, frame: &mut [i16]) -> Received {
        self.media.receive(frame)
    }

    fn send(&mut self, frame: &[i16]) {
        self.outgoing.tick(frame, &self.media);
    }

    async fn answer(&mut self) -> Result<(), LegError> {
        self.ask(Command::Answer, LegError("the call is over".to_owned())).await
    }

    async fn reject(&mut self, why: Rejection) -> Result<(), LegError> {
        let command = |reply| Command::Reject(why, reply);
        self.ask(command, LegError("the call is over".to_owned())).await
    }

    fn hang_up(&mut self) {
        // If the control task is gone, so is the call.
        let _ = self.commands.send(Command::HangUp);
    }

    fn send_dtmf(&mut self, digits: &str) {
        if self.media.takes_telephone_events() {
            self.outgoing.push_keys(digits);
        } else {
            let _ = self.commands.send(Command::Keys(digits.to_owned()));
        }
    }

    async fn transfer(&mut self, to: &str) -> Result<(), TransferError> {
        let command = |reply| Command::Transfer(to.to_owned(), reply);
        self.ask(command, TransferError { sip_status: None }).await
    }

    /// Always blind: whoever is called in would need a mixer here.
    fn begin_transfer(&self, transfer: Transfer) -> BoxFuture<'static, Result<Transferred, TransferError>> {
        let (reply, answer) = oneshot::channel();
        let asked = self.commands.send(Command::Transfer(transfer.to, reply));
        Box::pin(async move {
            let over = TransferError { sip_status: None };
            match asked {
                Ok(()) => answer.await.unwrap_or(Err(over)).map(|()| Transferred::Away),
                Err(_) => Err(over),
            }
        })
    }

    fn quality(&self) -> LegQuality {
        self.media.quality()
    }
}

/// The control task reports `Ended` before it goes; only its panic ends the queue without.
fn lost_control() -> LegEvent {
    let detail = "the control task of the call is gone".to_owned();
    LegEvent::Ended { how: talkif_call_engine::io::LegEnd::Failed { detail }, sip_status: None }
}
