//! Blind transfer: REFER, then NOTIFYs until the far end says how it went (RFC 3515).

use super::call::{Call, News};
use super::requests::reply;
use crate::port::TransferError;
use rsipstack::dialog::dialog::{ReferStatus, TransactionHandle};
use rsipstack::sip::{Header, Host, Request, StatusCode};
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The far end gets this long to reach the new party.
const PATIENCE: Duration = Duration::from_secs(30);
/// After success the far end usually hangs up itself; if not, we do.
const COURTESY: Duration = Duration::from_secs(1);

/// A transfer in progress.
pub(super) struct Transfer {
    stage: Stage,
    deadline: Instant,
}

enum Stage {
    /// Nobody knows yet.
    Underway(oneshot::Sender<Result<(), TransferError>>),
    /// The new party has answered.
    Done,
}

impl Transfer {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Call {
    pub(super) fn start_transfer(&mut self, to: &str, reply: oneshot::Sender<Result<(), TransferError>>) {
        let target = self.refer_to(to).filter(|_| self.answered.is_some() && self.transfer.is_none());
        let Some(target) = target else {
            // The asker may have gone; nothing depends on it. The same holds below.
            let _ = reply.send(Err(TransferError { sip_status: None }));
            return;
        };
        self.transfer = Some(Transfer { stage: Stage::Underway(reply), deadline: Instant::now() + PATIENCE });
        let (dialog, news) = (self.dialog.clone(), self.news_in.clone());
        let referred_by = format!("<{}>", self.own_uri());
        tokio::spawn(async move {
            let headers = vec![Header::ReferredBy(referred_by.into())];
            let answer = dialog.refer(target, Some(headers), None).await;
            let status = answer.ok().flatten().map(|response| response.status_code.code());
            // The call may have ended meanwhile.
            let _ = news.send(News::ReferAnswered(status));
        });
    }

    pub(super) fn on_news(&mut self, news: &News) {
        let News::ReferAnswered(status) = news;
        match status {
            Some(200..=299) => {}
            _ => self.transfer_failed(*status),
        }
    }

    pub(super) async fn on_notify(&mut self, request: &Request, handle: TransactionHandle) {
        reply(handle, StatusCode::OK, None, None).await;
        let Some(progress) = ReferStatus::parse(request) else { return };
        match progress.status_code.code() {
            200..=299 => self.transfer_done(),
            300.. => self.transfer_failed(Some(progress.status_code.code())),
            _ if progress.is_terminated => self.transfer_failed(None),
            _ => {}
        }
    }

    /// Called at deadlines: the far end never told, or never hung up after success.
    pub(super) fn check_transfer(&mut self) {
        let Some(transfer) = self.transfer.as_ref().filter(|transfer| transfer.deadline <= Instant::now())
        else {
            return;
        };
        match transfer.stage {
            Stage::Underway(_) => self.transfer_failed(None),
            Stage::Done => {
                self.transfer = None;
                self.ask_to_end(LegEnd::LocalHangup, None);
            }
        }
    }

    fn transfer_done(&mut self) {
        if let Some(Transfer { stage: Stage::Underway(reply), .. }) = self.transfer.take() {
            let _ = reply.send(Ok(()));
            self.transfer = Some(Transfer { stage: Stage::Done, deadline: Instant::now() + COURTESY });
        }
    }

    fn transfer_failed(&mut self, sip_status: Option<u16>) {
        match self.transfer.take() {
            Some(Transfer { stage: Stage::Underway(reply), .. }) => {
                let _ = reply.send(Err(TransferError { sip_status }));
            }
            done => self.transfer = done,
        }
    }

    /// `sip:` and `tel:` addresses as they are; a bare number at the far end's own host.
    fn refer_to(&self, to: &str) -> Option<String> {
        let harmless = |c: char| c.is_ascii_graphic() && !"<>\",".contains(c);
        if to.is_empty() || !to.chars().all(harmless) {
            return None;
        }
        if to.starts_with("sip:") || to.starts_with("sips:") || to.starts_with("tel:") {
            return Some(format!("<{to}>"));
        }
        Some(format!("<sip:{to}@{}>", self.far_host()))
    }

    fn far_host(&self) -> Host {
        self.dialog.snapshot().remote_uri.host_with_port.host
    }

    fn own_uri(&self) -> String {
        self.dialog.snapshot().local_contact.map_or_else(String::new, |uri| uri.to_string())
    }
}
