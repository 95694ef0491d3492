//! Session timers (RFC 4028): a sign of life in long calls, by re-INVITE or UPDATE.
//!
//! We never ask for one, but keep what the far end asks for: if it refreshes, its requests are
//! answered in kind; if it wants us to, we do so at half the interval. That a far end which
//! should refresh fell silent is not watched here, because the media's silence tells sooner.

use super::call::{Call, News, sdp_type};
use super::extensions::tokens;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Request, Response};
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use tokio::time::Instant;

/// The longest interval that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// We refresh at most this often, whatever was agreed on.
const MOST_OFTEN: Duration = Duration::from_secs(1);
const OPTION: &str = "timer";

/// What the far end asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) interval: Duration,
    /// Who is to refresh, if it said so.
    refresher: Option<Refresher>,
}

/// By its role in the request that agrees on the timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresher {
    Asker,
    Answerer,
}

/// What our answer to `request` agrees to: headers, and how often we are to refresh, if we are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Agreement {
    pub(super) headers: Vec<Header>,
    pub(super) refresh_every: Option<Duration>,
}

/// The timer a request asks for.
pub(super) fn asked(request: &Request) -> Option<Asked> {
    Asked::parse(&request.header_value("Session-Expires").or_else(|| request.header_value("x"))?)
}

/// Agrees to what `request` asks for, in its 200.
pub(super) fn agree(request: &Request) -> Agreement {
    let knows = ["Supported", "k", "Require"]
        .iter()
        .any(|name| tokens(request, name).any(|word| word.eq_ignore_ascii_case(OPTION)));
    match asked(request) {
        // Who does not know timers has one from a proxy, and only we can refresh.
        Some(asked) if !knows || asked.refresher == Some(Refresher::Answerer) => Agreement {
            headers: vec![Header::SessionExpires(
                format!("{};refresher=uas", asked.interval.as_secs()).into(),
            )],
            refresh_every: Some(asked.half()),
        },
        Some(asked) => Agreement {
            headers: vec![
                Header::SessionExpires(format!("{};refresher=uac", asked.interval.as_secs()).into()),
                Header::Require(OPTION.into()),
            ],
            refresh_every: None,
        },
        None => Agreement::default(),
    }
}

/// How often we are to refresh by the answer to our own request.
pub(super) fn told(response: &Response) -> Option<Duration> {
    let asked = Asked::parse(&response.header_value("Session-Expires")?)?;
    (asked.refresher == Some(Refresher::Asker)).then(|| asked.half())
}

/// Our part of keeping a session alive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refresh {
    every: Duration,
    next: Instant,
}

impl Refresh {
    pub(super) fn starting_now(every: Duration) -> Self {
        Self { every, next: Instant::now() + every }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.next
    }

    fn headers(self) -> Vec<Header> {
        let expires = format!("{};refresher=uac", self.every.as_secs() * 2);
        vec![Header::SessionExpires(expires.into()), Header::Supported(OPTION.into())]
    }
}

impl Call {
    /// What a 200 to `request` says about timers; from then on we keep to it.
    pub(super) fn agree_on_timer(&mut self, request: &Request) -> Vec<Header> {
        let Agreement { headers, refresh_every } = agree(request);
        if asked(request).is_some() {
            self.refresh = refresh_every.map(Refresh::starting_now);
        }
        headers
    }

    /// Called at deadlines: repeats our last description, which changes nothing.
    pub(super) fn check_refresh(&mut self) {
        let Some(due) = self.refresh.filter(|refresh| refresh.next <= Instant::now()) else { return };
        self.refresh = Some(Refresh::starting_now(due.every));
        let (dialog, news) = (self.dialog.clone(), self.news_in.clone());
        let mut headers = due.headers();
        headers.push(sdp_type());
        let offer = self.local.offer().into_bytes();
        tokio::spawn(async move {
            let answer = dialog.reinvite(Some(headers), Some(offer)).await;
            let status = answer.ok().flatten().map(|response| response.status_code.code());
            // The call may have ended meanwhile.
            let _ = news.send(News::Refreshed(status));
        });
    }

    /// RFC 4028 section 10: these mean that the far end has no such call any more.
    pub(super) fn refreshed(&mut self, status: Option<u16>) {
        if matches!(status, None | Some(408 | 481)) {
            let detail = "the far end no longer knows the call".to_owned();
            self.ask_to_end(LegEnd::Failed { detail }, status);
        }
    }
}

impl Asked {
    /// `1800;refresher=uac`.
    fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let interval = Duration::from_secs(parts.next()?.parse::<u32>().ok()?.into()).min(LONGEST);
        let refresher = parts.find_map(|part| {
            let (name, role) = part.split_once('=')?;
            match role.trim().to_ascii_lowercase().as_str() {
                "uac" if name.trim().eq_ignore_ascii_case("refresher") => Some(Refresher::Asker),
                "uas" if name.trim().eq_ignore_ascii_case("refresher") => Some(Refresher::Answerer),
                _ => None,
            }
        });
        Some(Self { interval, refresher })
    }

    fn half(self) -> Duration {
        (self.interval / 2).max(MOST_OFTEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(headers: &str) -> Request {
        let text = format!(
            "INVITE sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\
             From: <sip:2@127.0.0.1>;tag=a\r\nTo: <sip:1@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             {headers}Content-Length: 0\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    fn agreed(headers: &str) -> (String, Option<u64>) {
        let Agreement { headers, refresh_every } = agree(&invite(headers));
        let headers: Vec<String> = headers.iter().map(ToString::to_string).collect();
        (headers.join(" | "), refresh_every.map(|every| every.as_secs()))
    }

    #[test]
    fn a_caller_that_refreshes_itself_is_confirmed() {
        let expected = "Session-Expires: 1800;refresher=uac | Require: timer".to_owned();
        assert_eq!(agreed("Supported: 100rel, timer\r\nSession-Expires: 1800\r\n"), (expected.clone(), None));
        assert_eq!(agreed("Require: timer\r\nSession-Expires: 1800;refresher=uac\r\n"), (expected, None));
    }

    #[test]
    fn a_caller_that_wants_us_to_refresh_gets_it_at_half_the_interval() {
        let expected = "Session-Expires: 600;refresher=uas".to_owned();
        let asked = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
        assert_eq!(agreed(asked), (expected.clone(), Some(300)));
        assert_eq!(agreed("Session-Expires: 600\r\n"), (expected, Some(300)));
    }

    #[test]
    fn without_a_timer_or_with_nonsense_nothing_is_agreed() {
        for headers in ["", "Supported: timer\r\n", "Session-Expires: soon\r\n"] {
            assert_eq!(agreed(headers), (String::new(), None), "{headers}");
        }
    }

    #[test]
    fn the_answer_to_our_own_invite_may_make_us_the_refresher() {
        let response = |header: &str| {
            let text = format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n{header}\r\n"
            );
            Response::try_from(text.as_bytes()).unwrap()
        };
        let half = Some(Duration::from_secs(900));
        assert_eq!(told(&response("Session-Expires: 1800;refresher=uac\r\n")), half);
        assert_eq!(told(&response("Session-Expires: 1800;refresher=uas\r\n")), None);
        assert_eq!(told(&response("")), None);
    }
}
