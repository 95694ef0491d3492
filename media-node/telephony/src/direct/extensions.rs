//! Which SIP extensions a caller may insist on (`Require`, RFC 3261 section 8.2.2.3).

use super::gate::Refusal;
use super::session_timer;
use rsipstack::sip::{HasHeaders, Header, Request, StatusCode};
use std::time::Duration;

/// Session timers are kept. `100rel` wants provisional answers acknowledged; a caller that insists
/// on it gets none but `100 Trying`, which needs no acknowledgement.
const UNDERSTOOD: [&str; 2] = ["timer", RELIABLE];
const RELIABLE: &str = "100rel";

/// Refuses what we could not keep: 420 names the extensions, 422 the shortest session interval.
pub(super) fn check(request: &Request, min_session: Duration) -> Result<(), Refusal> {
    let foreign: Vec<String> =
        required(request).filter(|name| !UNDERSTOOD.contains(&name.to_ascii_lowercase().as_str())).collect();
    if !foreign.is_empty() {
        let headers = vec![Header::Unsupported(foreign.join(", ").into())];
        return Err(Refusal { status: StatusCode::BadExtension, headers });
    }
    if session_timer::asked(request).is_some_and(|asked| asked.interval < min_session) {
        let headers = vec![Header::MinSE(min_session.as_secs().to_string().into())];
        return Err(Refusal { status: StatusCode::SessionIntervalTooSmall, headers });
    }
    Ok(())
}

/// Whether provisional answers would have to be acknowledged.
pub(super) fn insists_on_reliable_provisionals(request: &Request) -> bool {
    required(request).any(|name| name.eq_ignore_ascii_case(RELIABLE))
}

fn required(request: &Request) -> impl Iterator<Item = String> {
    tokens(request, "Require")
}

/// The comma-separated words of all headers of a name.
pub(super) fn tokens<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let headers = request.headers().iter().filter(move |header| header.name().eq_ignore_ascii_case(name));
    headers.flat_map(|header| {
        let words: Vec<String> = header.value().split(',').map(|word| word.trim().to_owned()).collect();
        words.into_iter().filter(|word| !word.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_secs(90);

    fn invite(headers: &str) -> Request {
        let text = format!(
            "INVITE sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\
             From: <sip:2@127.0.0.1>;tag=a\r\nTo: <sip:1@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             {headers}Content-Length: 0\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    #[test]
    fn known_extensions_may_be_required_and_others_are_named_in_the_refusal() {
        assert!(check(&invite(""), MIN).is_ok());
        assert!(check(&invite("Require: 100rel, timer\r\n"), MIN).is_ok());
        let refusal = check(&invite("Require: timer, sec-agree\r\nRequire: gruu\r\n"), MIN).unwrap_err();
        assert_eq!(refusal.status.code(), 420);
        assert_eq!(refusal.headers[0].value(), "sec-agree, gruu");
        assert!(insists_on_reliable_provisionals(&invite("Require: 100REL\r\n")));
        assert!(!insists_on_reliable_provisionals(&invite("Supported: 100rel\r\n")));
    }

    #[test]
    fn a_session_interval_that_would_keep_us_busy_is_refused() {
        let refusal = check(&invite("Session-Expires: 5;refresher=uas\r\n"), MIN).unwrap_err();
        assert_eq!((refusal.status.code(), refusal.headers[0].value()), (422, "90"));
        assert!(check(&invite("Session-Expires: 1800\r\n"), MIN).is_ok());
    }
}
