//! How a call ends: whose wish it was, what that means, and what has to be tidied up.

use super::call::{Call, Side, refuse};
use super::status::{refused, status_of};
use crate::port::{LegError, LegEvent, Rejection};
use rsipstack::dialog::dialog::TerminatedReason;
use rsipstack::sip::StatusCode;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use tokio::time::{Instant, timeout};

/// After CANCEL or BYE the far end gets this long to say its last word; then the call is over
/// without it.
const LAST_WORD: Duration = Duration::from_secs(4);
/// The INVITE transaction is given up this long after the call's end: longer than SIP's own
/// timer B.
const INVITE_REMAINS: Duration = Duration::from_secs(40);

/// We asked for the end; the far end's confirmation is awaited until `until`.
pub(super) struct Asked {
    pub(super) how: LegEnd,
    pub(super) status: Option<u16>,
    pub(super) until: Instant,
}

/// How the call ended.
pub(super) struct End {
    pub(super) how: LegEnd,
    pub(super) status: Option<u16>,
}

impl Call {
    pub(super) fn reject(&mut self, why: Rejection) -> Result<(), LegError> {
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

    pub(super) fn hang_up(&mut self) {
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

    pub(super) fn terminated(&mut self, reason: &TerminatedReason) -> End {
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

    pub(super) fn end_unless_asked(&mut self, how: LegEnd) -> End {
        let asked = self.asked.take();
        asked.map_or(End { how, status: None }, |asked| End { how: asked.how, status: asked.status })
    }

    pub(super) async fn finish(self, end: End) {
        let End { how, status: sip_status } = end;
        tracing::info!(sip_call_id = %self.first_id.call_id, ended = ?how, sip_status, "the call ended");
        self.report(LegEvent::Ended { how, sip_status });
        let Self { stack, dialog, side, first_id, .. } = self;
        // The stack registers an answered dialog only after its INVITE's task is done: removing
        // it earlier would leave it there for ever.
        if let Side::Outbound { mut invite, .. } = side {
            let done = invite.is_finished() || timeout(INVITE_REMAINS, &mut invite).await.is_ok();
            if !done {
                invite.abort();
            }
        }
        stack.layer.remove_dialog(&first_id);
        stack.layer.remove_dialog(&dialog.id());
    }
}
