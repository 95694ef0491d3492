//! Endings that the engine did not write, because it could not.

use std::collections::BTreeMap;
use talkif_call_engine::io::Ending;
use talkif_model::{CallStatus, EndReason, Outcome};

/// The call panicked. `agent_crashed` is for a whole node; here its node lives on.
pub(crate) fn crashed(answered: bool) -> Ending {
    failed(EndReason::AgentError, answered, "the session panicked".to_owned())
}

/// The lease was lost. Nobody writes this ending down: the call's new owner writes its own.
pub(crate) fn fenced(answered: bool) -> Ending {
    failed(EndReason::AgentCrashed, answered, "another node owns the call".to_owned())
}

/// The flow or the leg cannot be used.
pub(crate) fn unusable(detail: String) -> Ending {
    failed(EndReason::AgentError, false, detail)
}

fn failed(end_reason: EndReason, answered: bool, detail: String) -> Ending {
    Ending {
        status: CallStatus::Failed,
        end_reason,
        // A conversation that broke off has no verdict; one that never began reached nobody.
        outcome: (!answered).then_some(Outcome::NoAnswer),
        outcome_reason: None,
        booking: None,
        slots: BTreeMap::new(),
        detail: Some(detail),
    }
}
