//! Blind transfer: REFER, then NOTIFYs until the far end says how it went (RFC 3515).

use super::call::{Call, News};
use super::requests::reply;
use crate::port::TransferError;
use rsipstack::dialog::dialog::TransactionHandle;
use rsipstack::sip::prelude::HeadersExt;
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
        match news {
            News::ReferAnswered(Some(200..=299)) => {}
            News::ReferAnswered(status) => self.transfer_failed(*status),
            News::Refreshed(status) => self.refreshed(*status),
        }
    }

    pub(super) async fn on_notify(&mut self, request: &Request, handle: TransactionHandle) {
        reply(handle, StatusCode::OK, None, None).await;
        let Some(progress) = Progress::of_notify(request) else { return };
        match progress.status {
            200..=299 => self.transfer_done(),
            300.. => self.transfer_failed(Some(progress.status)),
            _ if progress.is_last => self.transfer_failed(None),
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

/// How far a transfer has come, from the NOTIFY's status line. The stack's own reader overlooks
/// the `Event` header its parser has recognised.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    status: u16,
    is_last: bool,
}

impl Progress {
    fn of_notify(request: &Request) -> Option<Self> {
        let event = request.header_value("Event")?.to_ascii_lowercase();
        let state = request.header_value("Subscription-State").unwrap_or_default().to_ascii_lowercase();
        let body = String::from_utf8_lossy(&request.body);
        let line = body.lines().find_map(|line| line.strip_prefix("SIP/2.0 "))?;
        let status = line.split_whitespace().next()?.parse().ok()?;
        event.starts_with("refer").then(|| Self { status, is_last: state.starts_with("terminated") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notify(event: &str, state: &str, body: &str) -> Option<Progress> {
        let text = format!(
            "NOTIFY sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nEvent: {event}\r\n\
             Subscription-State: {state}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Progress::of_notify(&Request::try_from(text.as_bytes()).unwrap())
    }

    #[test]
    fn progress_is_read_from_the_status_line() {
        let trying = Progress { status: 100, is_last: false };
        assert_eq!(notify("refer", "active;expires=60", "SIP/2.0 100 Trying\r\n"), Some(trying));
        let busy = Progress { status: 486, is_last: true };
        assert_eq!(notify("refer;id=2", "terminated;reason=noresource", "SIP/2.0 486 Busy Here"), Some(busy));
    }

    #[test]
    fn other_events_and_other_bodies_are_no_progress() {
        assert_eq!(notify("presence", "active", "SIP/2.0 200 OK"), None);
        assert_eq!(notify("refer", "active", "hello"), None);
        assert_eq!(notify("refer", "active", "SIP/2.0 abc"), None);
    }
}
