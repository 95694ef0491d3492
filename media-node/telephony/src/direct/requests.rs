//! Requests of the far end inside a call: new offers, keys by INFO, keep-alives, NOTIFY.

use super::call::{Call, sdp_type};
use super::stack::allow;
use rsipstack::dialog::dialog::TransactionHandle;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, Request, StatusCode};
use std::time::Duration;
use talkif_media::sdp::{self, SdpError};
use talkif_media::telephone_event;

/// Between two keys sent by INFO.
const INFO_SPACING: Duration = Duration::from_millis(200);

impl Call {
    /// A re-INVITE or UPDATE: hold, unhold, another address, or only a sign of life.
    pub(super) async fn on_offer(&mut self, request: &Request, handle: TransactionHandle) {
        self.local.version += 1;
        let (status, body) =
            if request.body.is_empty() { self.no_offer(request) } else { self.offer(request) };
        let mut headers = vec![allow()];
        if body.is_some() {
            headers.push(sdp_type());
        }
        if status == StatusCode::OK {
            headers.extend(self.agree_on_timer(request));
        }
        reply(handle, status, Some(headers), body).await;
    }

    /// A re-INVITE without a description asks us to offer; the ACK will bring the answer.
    fn no_offer(&mut self, request: &Request) -> (StatusCode, Option<Vec<u8>>) {
        let invites = request.method == Method::Invite;
        self.expects_answer_in_ack = invites;
        (StatusCode::OK, invites.then(|| self.local.offer().into_bytes()))
    }

    fn offer(&mut self, request: &Request) -> (StatusCode, Option<Vec<u8>>) {
        match self.answer_offer(&request.body) {
            Ok(answer) => (StatusCode::OK, Some(answer.into_bytes())),
            Err(error) => {
                tracing::debug!(%error, "a new offer was refused; the old session goes on");
                (StatusCode::NotAcceptableHere, None)
            }
        }
    }

    fn answer_offer(&self, body: &[u8]) -> Result<String, SdpError> {
        let remote = sdp::parse(&String::from_utf8_lossy(body))?;
        let (answer, agreed) = self.local.answer(&remote)?;
        self.media.agreed(&remote, agreed);
        tracing::debug!(on_hold = remote.holds(), "the far end renegotiated");
        Ok(answer)
    }

    /// Keys by INFO, in either of the two usual bodies; other INFO is acknowledged and ignored.
    pub(super) async fn on_info(&mut self, request: &Request, handle: TransactionHandle) {
        if let Some(key) = key_of_info(request)
            && self.queues.keys.try_send(key).is_err()
        {
            tracing::debug!("a key was dropped: nobody reads them");
        }
        reply(handle, StatusCode::OK, None, None).await;
    }

    /// A sign of life of carriers and proxies.
    pub(super) async fn on_options(handle: TransactionHandle) {
        reply(handle, StatusCode::OK, Some(vec![allow()]), None).await;
    }

    /// Methods that mean nothing to a leg; the call goes on.
    pub(super) async fn on_other(handle: TransactionHandle) {
        reply(handle, StatusCode::MethodNotAllowed, Some(vec![allow()]), None).await;
    }

    /// Sends keys to a far end that takes no telephone-events.
    pub(super) fn send_keys_by_info(&self, keys: String) {
        let dialog = self.dialog.clone();
        tokio::spawn(async move {
            for key in keys.chars().filter(|key| telephone_event::code_of(*key).is_some()) {
                let headers = vec![Header::ContentType("application/dtmf-relay".into())];
                let body = format!("Signal={}\r\nDuration=120\r\n", key.to_ascii_uppercase());
                if let Err(error) = dialog.info(Some(headers), Some(body.into_bytes())).await {
                    tracing::debug!(%error, "a key could not be sent");
                    return;
                }
                tokio::time::sleep(INFO_SPACING).await;
            }
        });
    }
}

/// Answers a request; failing to is the far end's timeout.
pub(super) async fn reply(
    handle: TransactionHandle,
    status: StatusCode,
    headers: Option<Vec<Header>>,
    body: Option<Vec<u8>>,
) {
    if handle.respond(status, headers, body).await.is_err() {
        tracing::debug!("a request inside the call is gone before its answer");
    }
}

pub(super) fn key_of_info(request: &Request) -> Option<char> {
    let kind = request.header_value("Content-Type")?.to_ascii_lowercase();
    let body = String::from_utf8_lossy(&request.body);
    let key = if kind.starts_with("application/dtmf-relay") {
        let signal = body.lines().filter_map(|line| line.split_once('='));
        let mut signal = signal.filter(|(name, _)| name.trim().eq_ignore_ascii_case("signal"));
        signal.next()?.1.trim().to_owned()
    } else if kind.starts_with("application/dtmf") {
        body.trim().to_owned()
    } else {
        return None;
    };
    parse_key(&key)
}

/// A key as itself, or as the number of its event code: some phones write `10` for `*`.
fn parse_key(text: &str) -> Option<char> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(key), None) => telephone_event::key_of(telephone_event::code_of(key)?),
        _ => telephone_event::key_of(text.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(kind: &str, body: &str) -> Request {
        let text = format!(
            "INFO sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    #[test]
    fn keys_are_read_from_both_usual_bodies() {
        assert_eq!(key_of_info(&info("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")), Some('5'));
        assert_eq!(key_of_info(&info("application/dtmf-relay", "signal= # \nDuration=160")), Some('#'));
        assert_eq!(key_of_info(&info("application/dtmf-relay", "Signal=10\r\n")), Some('*'));
        assert_eq!(key_of_info(&info("Application/DTMF", "d")), Some('D'));
    }

    #[test]
    fn other_bodies_are_not_keys() {
        assert_eq!(key_of_info(&info("application/dtmf-relay", "Duration=160")), None);
        assert_eq!(key_of_info(&info("application/dtmf-relay", "Signal=99")), None);
        assert_eq!(key_of_info(&info("application/media_control+xml", "5")), None);
        assert_eq!(key_of_info(&info("application/dtmf", "")), None);
    }
}
