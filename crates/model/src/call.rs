crate::string_enum! {
    /// Who started the call.
    pub enum Direction as "direction" {
        /// A caller dialled one of the account's numbers.
        Inbound = "inbound",
        /// Talkif dialled.
        Outbound = "outbound",
    }
}

crate::string_enum! {
    /// Where a call is in its life. The last five are terminal: a call reaches exactly one of
    /// them, once.
    pub enum CallStatus as "call status" {
        /// Created, waiting to be placed.
        Queued = "queued",
        /// Being placed.
        Initiated = "initiated",
        /// Ringing.
        Ringing = "ringing",
        /// Answered; the conversation is on.
        InProgress = "in_progress",
        /// Ended normally.
        Completed = "completed",
        /// Failed by an error.
        Failed = "failed",
        /// Nobody answered.
        NoAnswer = "no_answer",
        /// The line was busy.
        Busy = "busy",
        /// Canceled before it was answered.
        Canceled = "canceled",
    }
}

impl CallStatus {
    /// Whether nothing may follow.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::NoAnswer | Self::Busy | Self::Canceled)
    }

    /// Whether `next` may follow this status.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        !self.is_terminal() && (next as u8) > (self as u8)
    }
}

crate::string_enum! {
    /// Why a call ended. Set once, with the terminal status.
    pub enum EndReason as "end reason" {
        /// The person hung up.
        CallerHangup = "caller_hangup",
        /// The agent finished the conversation.
        AgentCompleted = "agent_completed",
        /// The agent met an error it could not get over.
        AgentError = "agent_error",
        /// No node could take the call.
        AgentUnavailable = "agent_unavailable",
        /// The agent did not connect in time, or a limit of the conversation was reached.
        AgentTimeout = "agent_timeout",
        /// The node died in mid-call.
        AgentCrashed = "agent_crashed",
        /// Nobody answered.
        NoAnswer = "no_answer",
        /// The line was busy.
        Busy = "busy",
        /// Canceled before it was answered.
        Canceled = "canceled",
        /// The carrier or the line failed.
        TelephonyError = "telephony_error",
        /// The agent put the caller through to somebody else.
        Transferred = "transferred",
        /// The account ran out of balance.
        BalanceDepleted = "balance_depleted",
        /// A stuck call was ended by the system.
        Reconciled = "reconciled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_terminal_status() {
        for from in CallStatus::ALL.iter().filter(|s| s.is_terminal()) {
            assert!(CallStatus::ALL.iter().all(|to| !from.may_become(*to)));
        }
    }

    #[test]
    fn a_call_never_goes_back() {
        assert!(CallStatus::Queued.may_become(CallStatus::Ringing));
        assert!(!CallStatus::InProgress.may_become(CallStatus::Ringing));
    }

    #[test]
    fn words_are_read_back() {
        for reason in EndReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert!("gone".parse::<EndReason>().is_err());
    }
}
