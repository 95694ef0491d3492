//! The control task of one call: what the dialog reports, what the leg's user asks, and the
//! deadlines. It reports every event of the leg, `Ended` exactly once and last, and takes the
//! dialog out of the stack when it is over.

use super::leg::{Command, Queues};
use super::media::{Gap, Media};
use super::pending::Slot;
use super::stack::Stack;
use super::status::{refused, status_of};
use super::transfer::Transfer;
use crate::port::{LegError, LegEvent, Rejection};
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TerminatedReason};
use rsipstack::dialog::invitation::InviteAsyncResult;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_media::sdp::{self, Local, Remote, SdpError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::DropGuard;

/// After CANCEL or BYE the far end gets this long to say its last word; then the call is over
/// without it.
const LAST_WORD: Duration = Duration::from_secs(4);
/// The INVITE transaction is given up this long after the call's end: longer than SIP's own
/// timer B.
const INVITE_REMAINS: Duration = Duration::from_secs(40);
/// How often the media is checked for life.
const MEDIA_CHECK: Duration = Duration::from_millis(500);

/// One call.
pub(super) struct Call {
    pub(super) stack: Arc<Stack>,
    pub(super) dialog: InviteDialog,
    pub(super) media: Arc<Media>,
    pub(super) local: Local,
    pub(super) queues: Queues,
    pub(super) answered: Option<Instant>,
    pub(super) transfer: Option<Transfer>,
    /// We wrote an offer into a 200; the ACK brings the answer.
    pub(super) expects_answer_in_ack: bool,
    pub(super) news_in: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
    states: DialogStateReceiver,
    side: Side,
    first_id: DialogId,
    ring_until: Instant,
    rings: bool,
    leg_is_gone: bool,
    asked: Option<Asked>,
    media_check: Instant,
    _receiving: DropGuard,
}

/// Who started the call, and what only that side has.
pub(super) enum Side {
    /// We dialled.
    Outbound {
        /// The INVITE in progress.
        invite: JoinHandle<InviteAsyncResult>,
    },
    /// A caller did.
    Inbound {
        /// Its description; `None` if the INVITE had none and we are to offer.
        offer: Option<Box<Remote>>,
        /// Its place among the waiting calls.
        slot: Option<Slot>,
    },
}

/// Results of requests that run beside the task.
#[derive(Debug)]
pub(super) enum News {
    /// The final status of our REFER; `None` if there was no answer.
    ReferAnswered(Option<u16>),
}

/// We asked for the end; the far end's confirmation is awaited until `until`.
struct Asked {
    how: LegEnd,
    status: Option<u16>,
    until: Instant,
}

/// How the call ended.
pub(super) struct End {
    how: LegEnd,
    status: Option<u16>,
}

/// What a step of the task leads to: the end, or more steps.
type Step = Option<End>;

impl Call {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing, made in one place for each side"
    )]
    pub(super) fn new(
        stack: Arc<Stack>,
        dialog: InviteDialog,
        side: Side,
        states: DialogStateReceiver,
        queues: Queues,
        media: Arc<Media>,
        receiving: DropGuard,
        local: Local,
        ring_until: Instant,
    ) -> Self {
        let (news_in, news) = mpsc::unbounded_channel();
        Self {
            first_id: dialog.id(),
            stack,
            dialog,
            media,
            local,
            queues,
            answered: None,
            transfer: None,
            expects_answer_in_ack: false,
            news_in,
            news,
            states,
            side,
            ring_until,
            rings: false,
            leg_is_gone: false,
            asked: None,
            media_check: Instant::now(),
            _receiving: receiving,
        }
    }

    /// Runs the call to its end.
    pub(super) async fn run(mut self) {
        let end = loop {
            if let Some(end) = self.step().await {
                break end;
            }
        };
        self.finish(end).await;
    }

    async fn step(&mut self) -> Step {
        let deadline = self.next_deadline();
        tokio::select! {
            biased;
            Some(state) = self.states.recv() => self.on_state(state).await,
            result = self.side.invite_result() => self.on_invite_result(result),
            command = self.queues.commands.recv(), if !self.leg_is_gone => {
                self.on_command(command);
                None
            }
            Some(news) = self.news.recv() => {
                self.on_news(&news);
                None
            }
            () = sleep_until(deadline) => self.on_deadline(),
        }
    }

    async fn on_state(&mut self, state: DialogState) -> Step {
        match state {
            DialogState::Early(_, response) => {
                self.on_provisional(response.status_code.code(), &response.body)
            }
            DialogState::Confirmed(_, response) => self.on_confirmed(&response.body),
            DialogState::Terminated(_, reason) => return Some(self.terminated(&reason)),
            DialogState::Updated(_, request, handle) => self.on_offer(&request, handle).await,
            DialogState::Info(_, request, handle) => self.on_info(&request, handle).await,
            DialogState::Notify(_, request, handle) => self.on_notify(&request, handle).await,
            DialogState::Options(_, _, handle) => Self::on_options(handle).await,
            DialogState::Refer(_, _, handle)
            | DialogState::Message(_, _, handle)
            | DialogState::Publish(_, _, handle) => Self::on_other(handle).await,
            DialogState::Calling(_) | DialogState::Trying(_) | DialogState::WaitAck(_, _) => {}
        }
        None
    }

    fn on_provisional(&mut self, status: u16, body: &[u8]) {
        let early = self.answered.is_none() && self.asked.is_none();
        if !early || !matches!(self.side, Side::Outbound { .. }) || !(180..200).contains(&status) {
            return;
        }
        if !self.rings {
            self.rings = true;
            self.report(LegEvent::Ringing);
        }
        // Early media is a courtesy: a description that cannot be used is left for the 200.
        if !body.is_empty()
            && let Err(error) = self.settle(body)
        {
            tracing::debug!(%error, "early media cannot be used");
        }
    }

    fn on_confirmed(&mut self, body: &[u8]) {
        if self.answered.is_none() && self.asked.is_none() {
            self.on_answer(body);
        } else if self.expects_answer_in_ack
            && let Err(error) = self.settle_by_ack()
        {
            tracing::debug!(%error, "the answer in an ACK cannot be used; the old session goes on");
        }
    }

    fn on_answer(&mut self, body: &[u8]) {
        let settled = match &mut self.side {
            Side::Outbound { .. } => self.settle(body),
            Side::Inbound { slot, .. } => {
                slot.take();
                if self.expects_answer_in_ack { self.settle_by_ack() } else { Ok(()) }
            }
        };
        self.answered = Some(Instant::now());
        match settled {
            Ok(()) => self.report(LegEvent::Answered),
            Err(error) => self.ask_to_end(LegEnd::Failed { detail: format!("answer: {error}") }, None),
        }
    }

    /// Takes the far end's answer to our offer.
    pub(super) fn settle(&self, body: &[u8]) -> Result<(), SdpError> {
        let remote = sdp::parse(&String::from_utf8_lossy(body))?;
        let agreed = self.local.accept(&remote)?;
        self.media.agreed(&remote, agreed);
        Ok(())
    }

    fn settle_by_ack(&mut self) -> Result<(), SdpError> {
        self.expects_answer_in_ack = false;
        let ack = self.dialog.last_remote_ack().ok_or(SdpError::NoAudio)?;
        self.settle(&ack.body)
    }

    fn on_invite_result(&mut self, result: Option<InviteAsyncResult>) -> Step {
        match result {
            // The dialog's own state has told, or is about to tell.
            Some(Ok((_, Some(_)))) => None,
            Some(Ok((_, None))) => Some(self.end_unless_asked(LegEnd::NoAnswer)),
            Some(Err(error)) => Some(self.end_unless_asked(LegEnd::Failed { detail: error.to_string() })),
            None => {
                let detail = "the INVITE's task failed".to_owned();
                Some(self.end_unless_asked(LegEnd::Failed { detail }))
            }
        }
    }

    fn on_command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Answer(reply)) => {
                // A leg that does not wait for the reply was dropped; so are the replies below.
                let _ = reply.send(self.answer());
            }
            Some(Command::Reject(why, reply)) => {
                let _ = reply.send(self.reject(why));
            }
            Some(Command::HangUp) => self.hang_up(),
            Some(Command::Keys(keys)) => self.send_keys_by_info(keys),
            Some(Command::Transfer(to, reply)) => self.start_transfer(&to, reply),
            None => {
                self.leg_is_gone = true;
                self.hang_up();
            }
        }
    }

    fn answer(&mut self) -> Result<(), LegError> {
        let Side::Inbound { offer, .. } = &self.side else {
            return Err(refuse("only inbound calls are answered"));
        };
        if self.asked.is_some() || self.answered.is_some() || !self.dialog.state().can_cancel() {
            return Err(refuse("the call does not wait for an answer"));
        }
        let body = match offer {
            Some(offer) => {
                let (answer, agreed) =
                    self.local.answer(offer).map_err(|error| refuse(&error.to_string()))?;
                self.media.agreed(offer, agreed);
                answer
            }
            None => {
                self.expects_answer_in_ack = true;
                self.local.offer()
            }
        };
        let accepted = self.dialog.accept(Some(vec![sdp_type()]), Some(body.into_bytes()));
        accepted.map_err(|error| refuse(&error.to_string()))
    }

    fn reject(&mut self, why: Rejection) -> Result<(), LegError> {
        let waits = self.asked.is_none() && self.dialog.state().can_cancel();
        if !waits || !matches!(self.side, Side::Inbound { .. }) {
            return Err(refuse("the call does not wait for an answer"));
        }
        let status = match why {
            Rejection::UnknownNumber => StatusCode::NotFound,
            Rejection::NoFlow => StatusCode::TemporarilyUnavailable,
            Rejection::Busy => StatusCode::BusyHere,
            Rejection::Unavailable => StatusCode::ServiceUnavailable,
        };
        self.refuse_caller(LegEnd::LocalHangup, status)
    }

    fn refuse_caller(&mut self, how: LegEnd, status: StatusCode) -> Result<(), LegError> {
        self.note_asked(how, Some(status.code()));
        self.dialog.reject(Some(status), None).map_err(|error| refuse(&error.to_string()))
    }

    fn hang_up(&mut self) {
        let unanswered = matches!(self.side, Side::Outbound { .. }) && self.answered.is_none();
        let how = if unanswered { LegEnd::Canceled } else { LegEnd::LocalHangup };
        self.ask_to_end(how, None);
    }

    /// CANCEL, BYE or a refusal, whatever the call's state wants. Only the first wish counts.
    pub(super) fn ask_to_end(&mut self, how: LegEnd, status: Option<u16>) {
        if self.asked.is_some() {
            return;
        }
        if matches!(self.side, Side::Inbound { .. }) && self.dialog.state().can_cancel() {
            // A caller who hears nothing of us hears that we are not available.
            let _ = self.refuse_caller(how, StatusCode::TemporarilyUnavailable);
            return;
        }
        self.note_asked(how, status);
        let dialog = self.dialog.clone();
        tokio::spawn(async move {
            if let Err(error) = dialog.hangup().await {
                tracing::debug!(%error, "hanging up failed");
            }
        });
    }

    fn note_asked(&mut self, how: LegEnd, status: Option<u16>) {
        self.asked = Some(Asked { how, status, until: Instant::now() + LAST_WORD });
    }

    fn next_deadline(&self) -> Instant {
        if let Some(asked) = &self.asked {
            return asked.until;
        }
        match (&self.answered, &self.transfer) {
            (None, _) => self.ring_until,
            (Some(_), None) => self.media_check,
            (Some(_), Some(transfer)) => self.media_check.min(transfer.deadline()),
        }
    }

    fn on_deadline(&mut self) -> Step {
        if let Some(Asked { how, status, .. }) = self.asked.take() {
            return Some(End { how, status });
        }
        match self.answered {
            None => self.ask_to_end(LegEnd::NoAnswer, None),
            Some(since) => {
                self.check_transfer();
                self.check_media(since);
            }
        }
        None
    }

    /// A call whose far end fell silent on the network level is a dead call.
    fn check_media(&mut self, answered: Instant) {
        self.media_check = Instant::now() + MEDIA_CHECK;
        let config = &self.stack.config;
        let (gap, limit, when) = match self.media.silence_since(answered.into_std()) {
            Some(Gap::SinceStart(gap)) => (gap, config.first_media, "since the answer"),
            Some(Gap::SinceLast(gap)) => (gap, config.media_gap, "in mid-call"),
            None => return,
        };
        if gap >= limit {
            let detail = format!("no media for {} s {when}", limit.as_secs_f32());
            self.ask_to_end(LegEnd::Failed { detail }, None);
        }
    }

    fn terminated(&mut self, reason: &TerminatedReason) -> End {
        let status = status_of(reason);
        if let Some(asked) = self.asked.take() {
            return End { how: asked.how, status: asked.status.or(status) };
        }
        let how = match (reason, status) {
            (TerminatedReason::UacBye | TerminatedReason::UasBye, _) => LegEnd::RemoteHangup,
            (TerminatedReason::UacCancel, _) => LegEnd::Canceled,
            (TerminatedReason::Timeout, _) => LegEnd::Failed { detail: "no ACK for our answer".to_owned() },
            (_, Some(status)) => refused(status),
            (_, None) => LegEnd::Failed { detail: format!("{reason:?}") },
        };
        End { how, status }
    }

    fn end_unless_asked(&mut self, how: LegEnd) -> End {
        let asked = self.asked.take();
        asked.map_or(End { how, status: None }, |asked| End { how: asked.how, status: asked.status })
    }

    pub(super) fn report(&self, event: LegEvent) {
        // A leg that was dropped does not listen.
        let _ = self.queues.events.send(event);
    }

    async fn finish(self, end: End) {
        let End { how, status: sip_status } = end;
        tracing::info!(sip_call_id = %self.first_id.call_id, ended = ?how, sip_status, "the call ended");
        self.report(LegEvent::Ended { how, sip_status });
        let Self { stack, dialog, side, first_id, .. } = self;
        // The stack registers an answered dialog only after its INVITE's task is done: removing
        // it earlier would leave it there for ever.
        if let Side::Outbound { mut invite } = side {
            let done = invite.is_finished() || timeout(INVITE_REMAINS, &mut invite).await.is_ok();
            if !done {
                invite.abort();
            }
        }
        stack.layer.remove_dialog(&first_id);
        stack.layer.remove_dialog(&dialog.id());
    }
}

impl Side {
    /// The result of the INVITE, once; `None` if its task panicked. Cancel-safe.
    async fn invite_result(&mut self) -> Option<InviteAsyncResult> {
        match self {
            Self::Outbound { invite } if !invite.is_finished() => invite.await.ok(),
            Self::Outbound { .. } | Self::Inbound { .. } => std::future::pending().await,
        }
    }
}

fn refuse(why: &str) -> LegError {
    LegError(why.to_owned())
}

/// `Content-Type: application/sdp`.
pub(super) fn sdp_type() -> Header {
    Header::ContentType("application/sdp".into())
}
