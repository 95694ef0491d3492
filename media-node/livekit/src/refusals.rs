//! What LiveKit's errors mean for a call.
//!
//! A final SIP answer comes as `sip_status_code` in the error's metadata. Ringing out comes as
//! `canceled` without it, and so does our own cancel.

use crate::control::PlaceError;
use livekit_api::services::{ServerError, ServerErrorCode, ServiceError, SipCallError};
use std::time::Duration;

/// What `livekit-sip` says of an answer that it has lost.
const ANSWER_LOST: &str = "transaction failed to complete";

/// An INVITE or REFER that nobody answers is given up after this time (timer B), in the same words.
const UNANSWERED: Duration = Duration::from_secs(32);

/// Why nobody answered, after `took`.
pub(crate) fn place_error(error: &ServiceError, took: Duration) -> PlaceError {
    if let Some(status) = sip_status(error) {
        return PlaceError::Status(status);
    }
    match error {
        _ if is_answer_lost(error) && took < UNANSWERED => {
            PlaceError::Failed("the carrier's answer was lost".to_owned())
        }
        ServiceError::Twirp(ServerError::Twirp(refusal)) => match refusal.code.as_str() {
            ServerErrorCode::CANCELED => PlaceError::NotAnswered,
            // No `livekit-sip` listens, or the one that does has no capacity left.
            ServerErrorCode::UNAVAILABLE | ServerErrorCode::RESOURCE_EXHAUSTED => {
                PlaceError::Unavailable(refusal.to_string())
            }
            _ => PlaceError::Failed(refusal.to_string()),
        },
        ServiceError::Twirp(ServerError::Request(error)) if error.is_connect() => {
            PlaceError::Unavailable("LiveKit cannot be reached".to_owned())
        }
        // reqwest's errors name the address, which is no secret here, and no body.
        other => PlaceError::Failed(other.to_string()),
    }
}

/// The final SIP answer behind an error, where there was one.
pub(crate) fn sip_status(error: &ServiceError) -> Option<u16> {
    let status = SipCallError::from_error(error)?.sip_status_code()?;
    u16::try_from(status).ok().filter(|status| *status >= 300)
}

/// Whoever was asked did not answer in time, or was cut off: what was asked for may still happen.
pub(crate) fn is_undecided(error: &ServiceError) -> bool {
    let undecided =
        [ServerErrorCode::CANCELED, ServerErrorCode::DEADLINE_EXCEEDED, ServerErrorCode::UNAVAILABLE];
    sip_status(error).is_none()
        && matches!(error, ServiceError::Twirp(ServerError::Twirp(refusal))
            if undecided.contains(&refusal.code.as_str()))
}

/// The far end has answered a REFER, or refused an INVITE, and `livekit-sip` has lost the answer.
///
/// In 1.8.0 an answer that comes before the thread that sent the request runs on, as on a busy
/// machine, ends the transaction at once; whether the answer or the end is seen first is chance.
/// [`UNANSWERED`] later, it may be a far end that never answered.
pub(crate) fn is_answer_lost(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Twirp(ServerError::Twirp(refusal))
        if refusal.code == ServerErrorCode::CANCELED && refusal.msg.contains(ANSWER_LOST))
}

/// What was asked for does not exist, and no telephone said so.
pub(crate) fn is_not_found(error: &ServiceError) -> bool {
    sip_status(error).is_none()
        && matches!(error, ServiceError::Twirp(ServerError::Twirp(refusal))
            if refusal.code == ServerErrorCode::NOT_FOUND)
}

/// No server has the person who was asked for.
pub(crate) fn is_nobody_there(error: &ServiceError) -> bool {
    let gone = [ServerErrorCode::NOT_FOUND, ServerErrorCode::UNAVAILABLE];
    sip_status(error).is_none()
        && matches!(error, ServiceError::Twirp(ServerError::Twirp(refusal))
            if gone.contains(&refusal.code.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const SOON: Duration = Duration::from_millis(50);

    fn refusal(code: &str, status: Option<&str>) -> ServiceError {
        let meta = status.map(|status| ("sip_status_code".to_owned(), status.to_owned()));
        ServiceError::Twirp(ServerError::Twirp(ServerErrorCode {
            code: code.to_owned(),
            msg: "as it was said".to_owned(),
            meta: meta.into_iter().collect(),
        }))
    }

    #[test]
    fn a_sip_answer_goes_before_the_servers_own_code() {
        for (code, status) in [("resource_exhausted", 486), ("permission_denied", 603), ("not_found", 404)] {
            let error = refusal(code, Some(&status.to_string()));
            assert_eq!(place_error(&error, SOON), PlaceError::Status(status));
            assert!(!is_not_found(&error));
        }
    }

    #[test]
    fn without_a_sip_answer_the_servers_code_decides() {
        assert_eq!(place_error(&refusal("canceled", None), SOON), PlaceError::NotAnswered);
        assert!(matches!(place_error(&refusal("unavailable", None), SOON), PlaceError::Unavailable(_)));
        assert!(matches!(
            place_error(&refusal("resource_exhausted", None), SOON),
            PlaceError::Unavailable(_)
        ));
        assert!(matches!(place_error(&refusal("invalid_argument", None), SOON), PlaceError::Failed(_)));
        assert!(is_not_found(&refusal("not_found", None)));
        assert!(is_undecided(&refusal("deadline_exceeded", None)));
        assert!(!is_undecided(&refusal("deadline_exceeded", Some("408"))));
        assert!(!is_undecided(&refusal("permission_denied", None)));
    }

    #[test]
    fn a_lost_answer_is_not_taken_for_a_telephone_that_rings_out() {
        let canceled = |words: &str| {
            ServiceError::Twirp(ServerError::Twirp(ServerErrorCode {
                code: ServerErrorCode::CANCELED.to_owned(),
                msg: format!("twirp error unknown: {words}"),
                meta: HashMap::default(),
            }))
        };
        let lost = canceled("transaction failed to complete (0 intermediate responses)");
        assert!(is_answer_lost(&lost) && matches!(place_error(&lost, SOON), PlaceError::Failed(_)));
        assert_eq!(place_error(&lost, UNANSWERED), PlaceError::NotAnswered);
        let rang_out = canceled("sip request timed out");
        assert!(!is_answer_lost(&rang_out));
        assert_eq!(place_error(&rang_out, SOON), PlaceError::NotAnswered);
    }

    #[test]
    fn only_a_server_that_looked_for_a_person_is_believed() {
        assert!(
            is_nobody_there(&refusal("unavailable", None)) && is_nobody_there(&refusal("not_found", None))
        );
        assert!(!is_nobody_there(&refusal("deadline_exceeded", None)));
        assert!(!is_nobody_there(&refusal("internal", None)));
    }

    #[test]
    fn nonsense_for_a_status_is_no_status() {
        assert_eq!(sip_status(&refusal("internal", Some("0"))), None);
        assert_eq!(sip_status(&refusal("internal", Some("200"))), None);
    }
}
