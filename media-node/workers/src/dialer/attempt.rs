//! One attempt: facts, gate, and what the gate said.

use super::Dialer;
use super::facts::{Facts, Leased};
use super::request::{self, Placement, Unplaceable};
use crate::context::CallContext;
use crate::fresh;
use crate::journal::{End, Journal};
use crate::policy;
use crate::running::LEASE_MS;
use talkif_model::{CallStatus, EndReason};
use talkif_rules::gate::{self, Decision, GateFacts, HoldReason};
use talkif_store::{DbError, Param, dialing};
use talkif_telephony::DialError;
use tokio::sync::OwnedSemaphorePermit;

/// How soon a call is looked at again that lost the account's last slot to another dialer, µs.
const SLOT_TAKEN_US: i64 = 2_000_000;

impl Dialer {
    /// Decides about a leased call and, if the gate says so, runs it to its end. What fails
    /// here leaves the lease to run out: the call is found again.
    pub(super) async fn attempt(&self, leased: Leased, slot: OwnedSemaphorePermit) {
        if let Err(error) = self.try_attempt(leased, slot).await {
            tracing::warn!(call = %leased.call_id, %error, "the attempt is put off");
        }
    }

    async fn try_attempt(&self, leased: Leased, slot: OwnedSemaphorePermit) -> Result<(), DbError> {
        let db = &*self.setup.stage.journal.db;
        let Some(facts) = Facts::read(db, leased).await? else { return Ok(()) };
        let seen = policy::gate_facts(&facts, fresh::now_us());
        let decision = gate::decide(&seen);
        tracing::debug!(call = %leased.call_id, ?decision, "the gate");
        match decision {
            Decision::Dial => self.dial(leased, &facts, &seen, slot).await,
            Decision::Hold { until, reason } => {
                self.hold(leased, &seen, until.as_microsecond(), reason).await
            }
            Decision::Refuse { reason } => {
                self.end(facts.context(leased), policy::refused(reason, &seen, fresh::now_us())).await
            }
        }
    }

    async fn hold(
        &self,
        leased: Leased,
        seen: &GateFacts,
        until_us: i64,
        reason: HoldReason,
    ) -> Result<(), DbError> {
        let mut params = fence(leased);
        params.extend([until_us.into(), reason.as_str().into(), policy::audit(seen).to_string().into()]);
        self.setup.stage.journal.db.query_one(&dialing::HOLD, params).await.map(|_| ())
    }

    async fn end(&self, call: CallContext, end: End) -> Result<(), DbError> {
        Journal::new(self.setup.stage.journal.clone(), call).end(end).await.map(|_| ())
    }

    async fn dial(
        &self,
        leased: Leased,
        facts: &Facts,
        seen: &GateFacts,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), DbError> {
        if !self.claim(leased, seen).await? {
            // Lost to a cancellation, another dialer, or the account's last slot: only in the
            // last case is the call still ours, and only then does this change anything.
            let until_us = fresh::now_us() + SLOT_TAKEN_US;
            return self.hold(leased, seen, until_us, HoldReason::NoFreeSlot).await;
        }
        match request::place(facts, leased, &self.setup.sealing_key, fresh::now_us()) {
            Ok(placement) => self.place(facts.context(leased), leased, placement, slot).await,
            Err(unplaceable) => self.end(facts.context(leased), unplaced(unplaceable, seen)).await,
        }
    }

    async fn claim(&self, leased: Leased, seen: &GateFacts) -> Result<bool, DbError> {
        let mut params = fence(leased);
        params.extend([LEASE_MS.into(), "clear".into(), policy::audit(seen).to_string().into()]);
        Ok(self.setup.stage.journal.db.query_one(&dialing::CLAIM, params).await?.is_some())
    }

    /// From the mark on, the call is never dialled again, whatever happens.
    async fn place(
        &self,
        mut call: CallContext,
        leased: Leased,
        placement: Placement,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), DbError> {
        let db = &*self.setup.stage.journal.db;
        let Some(row) = db.query_one(&dialing::MARK_DIALED, fence(leased)).await? else { return Ok(()) };
        call.first_dialed_us.get_or_insert(row.int("dialed_us")?);
        match self.setup.telephony.dial(placement.request).await {
            Ok(leg) => {
                self.setup.stage.play(call, placement.job, leg, slot).await;
                Ok(())
            }
            Err(error) => self.end(call, undialed(&error)).await,
        }
    }
}

/// A call that cannot be placed will not become placeable by itself: no retry.
fn unplaced(why: Unplaceable, seen: &GateFacts) -> End {
    let end = End::plain(CallStatus::Failed, EndReason::TelephonyError, fresh::now_us());
    End { refused: Some((why.code().to_owned(), policy::audit(seen))), ..end.because(why.code()) }
}

/// The node could not even try: the next attempt may.
fn undialed(error: &DialError) -> End {
    let mut end = End::plain(CallStatus::Failed, EndReason::TelephonyError, fresh::now_us());
    end.ending.detail = Some(error.to_string());
    end.because("dial_failed")
}

fn fence(leased: Leased) -> Vec<Param> {
    vec![leased.account_id.sql().into(), leased.call_id.sql().into(), leased.token.into()]
}
