//! The control task of one call: what the dialog reports, what the leg's user asks, and the
//! deadlines. It reports every event of the leg, `Ended` exactly once and last, and takes the
//! dialog out of the stack when it is over.

use super::callers::Caller;
use super::ending::{Asked, End};
use super::leg::{Command, Queues};
use super::media::{Gap, Media};
use super::pending::Slot;
use super::session_timer::{self, Refresh};
use super::stack::{Stack, allow};
use super::transfer::Transfer;
use crate::port::{LegError, LegEvent};
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invitation::InviteAsyncResult;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, Response};
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_media::sdp::{self, Local, Remote, SdpError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::DropGuard;

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
    /// The far end wants a sign of life from us now and then.
    pub(super) refresh: Option<Refresh>,
    /// We wrote an offer into a 200; the ACK brings the answer.
    pub(super) expects_answer_in_ack: bool,
    pub(super) news_in: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
    states: DialogStateReceiver,
    pub(super) side: Side,
    pub(super) first_id: DialogId,
    ring_until: Instant,
    rings: bool,
    leg_is_gone: bool,
    pub(super) asked: Option<Asked>,
    media_check: Instant,
    _receiving: DropGuard,
}

/// Who started the call, and what only that side has.
pub(super) enum Side {
    /// We dialled.
    Outbound {
        /// The INVITE in progress.
        invite: JoinHandle<InviteAsyncResult>,
        /// Its name among our calls, held as long as the call.
        #[expect(dead_code, reason = "dropping it is its use")]
        caller: Option<Caller>,
    },
    /// A caller did.
    Inbound {
        /// Its description; `None` if the INVITE had none and we are to offer.
        offer: Option<Box<Remote>>,
        /// Its place among the waiting calls.
        slot: Option<Slot>,
        /// Its name among all inbound calls, held as long as the call.
        #[expect(dead_code, reason = "dropping it is its use")]
        caller: Caller,
    },
}

/// Results of requests that run beside the task.
#[derive(Debug)]
pub(super) enum News {
    /// The final status of our REFER; `None` if there was no answer.
    ReferAnswered(Option<u16>),
    /// The final status of our session refresh; `None` if there was no answer.
    Refreshed(Option<u16>),
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
            refresh: None,
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
            // States first: what has happened already goes before what anybody wishes.
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
            () = self.stack.closing(), if self.asked.is_none() => {
                self.hang_up();
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
            DialogState::Confirmed(_, response) => self.on_confirmed(&response),
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

    fn on_confirmed(&mut self, response: &Response) {
        if self.answered.is_none() && self.asked.is_none() {
            if matches!(self.side, Side::Outbound { .. }) {
                self.refresh = session_timer::told(response).map(Refresh::starting_now);
            }
            self.on_answer(&response.body);
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
        let mut headers = vec![sdp_type(), allow()];
        headers.extend(self.agree_on_timer(&self.dialog.initial_request()));
        let accepted = self.dialog.accept(Some(headers), Some(body.into_bytes()));
        accepted.map_err(|error| refuse(&error.to_string()))
    }

    fn next_deadline(&self) -> Instant {
        if let Some(asked) = &self.asked {
            return asked.until;
        }
        if self.answered.is_none() {
            return self.ring_until;
        }
        let transfer = self.transfer.as_ref().map(Transfer::deadline);
        let refresh = self.refresh.as_ref().map(Refresh::deadline);
        transfer.into_iter().chain(refresh).fold(self.media_check, Instant::min)
    }

    fn on_deadline(&mut self) -> Step {
        if let Some(Asked { how, status, .. }) = self.asked.take() {
            return Some(End { how, status });
        }
        match self.answered {
            None => self.ask_to_end(LegEnd::NoAnswer, None),
            Some(since) => {
                self.check_transfer();
                self.check_refresh();
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

    pub(super) fn report(&self, event: LegEvent) {
        // A leg that was dropped does not listen.
        let _ = self.queues.events.send(event);
    }
}

impl Side {
    /// The result of the INVITE, once; `None` if its task panicked. Cancel-safe.
    async fn invite_result(&mut self) -> Option<InviteAsyncResult> {
        match self {
            Self::Outbound { invite, .. } if !invite.is_finished() => invite.await.ok(),
            Self::Outbound { .. } | Self::Inbound { .. } => std::future::pending().await,
        }
    }
}

/// A wish that the call's state does not allow.
pub(super) fn refuse(why: &str) -> LegError {
    LegError(why.to_owned())
}

/// `Content-Type: application/sdp`.
pub(super) fn sdp_type() -> Header {
    Header::ContentType("application/sdp".into())
}
