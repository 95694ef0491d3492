//! What LiveKit's ways of saying no mean for a call.

use crate::control::PlaceError;
use livekit_protocol::DisconnectReason;
use talkif_call_engine::io::LegEnd;
use talkif_telephony::direct::refused;

/// Why the call was not placed, not at our own request.
pub(super) fn not_placed(error: PlaceError) -> (LegEnd, Option<u16>) {
    match error {
        PlaceError::Status(status) => (refused(status), Some(status)),
        PlaceError::NotAnswered => (LegEnd::NoAnswer, None),
        PlaceError::Unavailable(detail) | PlaceError::Failed(detail) => (LegEnd::Failed { detail }, None),
    }
}

/// Why the person left before the answer, when nobody told the SIP status.
pub(super) fn left_unanswered(reason: DisconnectReason) -> LegEnd {
    match reason {
        DisconnectReason::UserUnavailable => LegEnd::NoAnswer,
        DisconnectReason::UserRejected => LegEnd::Busy,
        other => failed(other),
    }
}

/// Why the person left a call without hanging up.
pub(super) fn left_connected(reason: DisconnectReason) -> LegEnd {
    match reason {
        // The SIP server leaves by itself when no more audio comes from the telephone.
        DisconnectReason::ClientInitiated | DisconnectReason::UnknownReason => {
            LegEnd::Failed { detail: "media lost".to_owned() }
        }
        other => failed(other),
    }
}

fn failed(reason: DisconnectReason) -> LegEnd {
    LegEnd::Failed { detail: format!("LiveKit: {}", reason.as_str_name()) }
}
