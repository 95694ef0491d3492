//! What final SIP statuses mean for a call that was not answered.

use rsipstack::dialog::dialog::TerminatedReason;
use rsipstack::sip::StatusCode;
use talkif_call_engine::io::LegEnd;

/// How an outbound call ended that was refused with `status`, not at our own request.
#[must_use]
pub fn refused(status: u16) -> LegEnd {
    match status {
        486 | 600 => LegEnd::Busy,
        403 | 603 => LegEnd::Declined,
        408 | 480 | 487 => LegEnd::NoAnswer,
        404 | 410 | 484 | 604 => LegEnd::InvalidNumber,
        _ => LegEnd::Failed { detail: describe(status) },
    }
}

/// `503 Service Unavailable`.
fn describe(status: u16) -> String {
    StatusCode::from(status).to_string()
}

/// The status that ended a dialog, where one did.
pub(super) fn status_of(reason: &TerminatedReason) -> Option<u16> {
    match reason {
        TerminatedReason::UacBusy | TerminatedReason::UasBusy => Some(486),
        TerminatedReason::ProxyAuthRequired => Some(407),
        TerminatedReason::ProxyError(status)
        | TerminatedReason::UacOther(status)
        | TerminatedReason::UasOther(status) => Some(status.code()),
        TerminatedReason::Timeout
        | TerminatedReason::UacCancel
        | TerminatedReason::UacBye
        | TerminatedReason::UasBye
        | TerminatedReason::UasDecline => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_the_table_says() {
        for (status, how) in [
            (486, LegEnd::Busy),
            (600, LegEnd::Busy),
            (603, LegEnd::Declined),
            (403, LegEnd::Declined),
            (408, LegEnd::NoAnswer),
            (480, LegEnd::NoAnswer),
            (487, LegEnd::NoAnswer),
            (404, LegEnd::InvalidNumber),
            (410, LegEnd::InvalidNumber),
            (484, LegEnd::InvalidNumber),
            (604, LegEnd::InvalidNumber),
        ] {
            assert_eq!(refused(status), how, "{status}");
        }
    }

    #[test]
    fn other_statuses_are_failures_that_name_themselves() {
        let LegEnd::Failed { detail } = refused(503) else { panic!("503 is a failure") };
        assert_eq!(detail, "503 Service Unavailable");
        assert!(matches!(refused(488), LegEnd::Failed { .. }));
        assert!(matches!(refused(799), LegEnd::Failed { .. }));
    }
}
