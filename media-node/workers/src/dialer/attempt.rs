//! One attempt: facts, gate, and what the gate said.

use super::Dialer;
use super::facts::{Facts, Leased};
use super::request::{self, Placement, Unplaceable};
use crate::fresh;
use crate::journal::{End, Journal};
use crate::policy::{self, Decision, Refusal};
use crate::running::LEASE_MS;
use std::time::Duration;
use talkif_model::{CallStatus, EndReason, Outcome};
use talkif_store::{DbError, Param, dialing};
use tokio::sync::OwnedSemaphorePermit;

/// How soon a call is looked at again that lost the account's last slot to another dialer.
const SLOT_TAKEN: Duration = Duration::from_secs(2);

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
        let decision = policy::decide(&facts, fresh::now_us());
        tracing::debug!(call = %leased.call_id, ?decision, "the gate");
        match decision {
            Decision::Dial { reason } => self.dial(leased, &facts, &reason, slot).await,
            Decision::Hold { until_us, reason } => self.hold(leased, &facts, until_us, &reason).await,
            Decision::Refuse(refusal) => self.refuse(leased, &facts, refusal).await,
        }
    }

    async fn hold(&self, leased: Leased, facts: &Facts, until_us: i64, reason: &str) -> Result<(), DbError> {
        let mut params = fence(leased);
        params.extend([until_us.into(), reason.into(), facts.audit().to_string().into()]);
        self.setup.stage.journal.db.query_one(&dialing::HOLD, params).await.map(|_| ())
    }

    async fn refuse(&self, leased: Leased, facts: &Facts, refusal: Refusal) -> Result<(), DbError> {
        let mut end =
            End::plain(refusal.status, refusal.end_reason, fresh::now_us()).because(&refusal.reason);
        end.ending.outcome = refusal.outcome;
        end.refused = Some((refusal.reason, facts.audit()));
        Journal::new(self.setup.stage.journal.clone(), facts.context(leased)).end(end).await.map(|_| ())
    }

    async fn dial(
        &self,
        leased: Leased,
        facts: &Facts,
        reason: &str,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), DbError> {
        if !self.claim(leased, facts, reason).await? {
            // Lost to a cancellation, another dialer, or the account's last slot: only in the
            // last case is the call still ours, and only then does this change anything.
            let until_us = fresh::now_us() + i64::try_from(SLOT_TAKEN.as_micros()).unwrap_or(0);
            return self.hold(leased, facts, until_us, policy::NO_FREE_SLOT).await;
        }
        match request::place(facts, leased, &self.setup.sealing_key, fresh::now_us()) {
            Ok(placement) => self.place(leased, facts, placement, slot).await,
            Err(unplaceable) => self.fail(leased, facts, unplaceable).await,
        }
    }

    async fn claim(&self, leased: Leased, facts: &Facts, reason: &str) -> Result<bool, DbError> {
        let mut params = fence(leased);
        params.extend([LEASE_MS.into(), reason.into(), facts.audit().to_string().into()]);
        Ok(self.setup.stage.journal.db.query_one(&dialing::CLAIM, params).await?.is_some())
    }

    /// From the mark on, the call is never dialled again, whatever happens.
    async fn place(
        &self,
        leased: Leased,
        facts: &Facts,
        placement: Placement,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), DbError> {
        let db = &*self.setup.stage.journal.db;
        let Some(row) = db.query_one(&dialing::MARK_DIALED, fence(leased)).await? else { return Ok(()) };
        let mut call = facts.context(leased);
        call.first_dialed_us.get_or_insert(row.int("dialed_us")?);
        match self.setup.telephony.dial(placement.request).await {
            Ok(leg) => {
                self.setup.stage.play(call, placement.job, leg, slot).await;
                Ok(())
            }
            Err(error) => {
                let mut end = End::plain(CallStatus::Failed, EndReason::TelephonyError, fresh::now_us());
                end.ending.outcome = Some(Outcome::NoAnswer);
                end.ending.detail = Some(error.to_string());
                let end = end.because("dial_failed");
                Journal::new(self.setup.stage.journal.clone(), call).end(end).await.map(|_| ())
            }
        }
    }

    /// A call that cannot be placed will not become placeable by itself: no retry.
    async fn fail(&self, leased: Leased, facts: &Facts, why: Unplaceable) -> Result<(), DbError> {
        let mut end =
            End::plain(CallStatus::Failed, EndReason::TelephonyError, fresh::now_us()).because(why.code());
        end.refused = Some((why.code().to_owned(), facts.audit()));
        Journal::new(self.setup.stage.journal.clone(), facts.context(leased)).end(end).await.map(|_| ())
    }
}

fn fence(leased: Leased) -> Vec<Param> {
    vec![leased.account_id.sql().into(), leased.call_id.sql().into(), leased.token.into()]
}
