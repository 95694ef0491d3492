//! One attempt: facts, gate, and what the gate said.
//!
//! From its first step an attempt stands among the running calls: its lease is renewed, and once
//! the lease is gone nothing is dialled any more, also by a node that was paused on the way.

use super::Dialer;
use super::facts::{Facts, Leased};
use super::request::{self, Placement, Unplaceable};
use crate::context::CallContext;
use crate::journal::{End, Journal};
use crate::policy;
use crate::running::{Entered, LEASE, LEASE_MS};
use std::time::{Duration, Instant, SystemTime};
use talkif_model::{CallStatus, EndReason};
use talkif_rules::gate::{self, Decision, GateFacts, HoldReason};
use talkif_store::{DbError, Param, dialing};
use talkif_telephony::{CallLeg, DialError, DialRequest};
use tokio::sync::OwnedSemaphorePermit;

/// How soon a call is looked at again that lost the account's last slot to another dialer, µs.
const SLOT_TAKEN_US: i64 = 2_000_000;
/// Sending an INVITE waits for no far end.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// What became of a claim.
enum Claim {
    Ours,
    /// The call must wait.
    Waits(HoldReason),
    /// The facts have changed, or somebody else has the call.
    AskAgain,
}

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
        let entered = self.setup.stage.running.enter(leased.call_id, leased.token);
        let in_good_standing = self.setup.directory.is_active(leased.account_id).await?;
        let asked = Instant::now();
        let Some(facts) = Facts::read(db, leased).await? else { return Ok(()) };
        self.setup.stage.journal.clock.learn(asked, facts.now_us);
        let seen = policy::gate_facts(&facts, in_good_standing);
        let decision = gate::decide(&seen);
        tracing::debug!(call = %leased.call_id, ?decision, "the gate");
        match decision {
            Decision::Dial => self.dial(entered, leased, &facts, &seen, slot).await,
            Decision::Hold { until, reason } => {
                self.hold(leased, &seen, until.as_microsecond(), reason).await
            }
            Decision::Refuse { reason } => {
                self.end(facts.context(leased), policy::refused(reason, &seen, facts.now_us)).await
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
        entered: Entered,
        leased: Leased,
        facts: &Facts,
        seen: &GateFacts,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), DbError> {
        // Where the call is no longer ours, neither holding nor releasing it changes anything.
        match self.claim(leased, seen).await? {
            Claim::Ours => {}
            Claim::Waits(reason) => {
                return self.hold(leased, seen, facts.now_us + SLOT_TAKEN_US, reason).await;
            }
            Claim::AskAgain => return self.release(leased).await,
        }
        match request::place(facts, leased, &self.setup.sealing_key, facts.now_us) {
            Ok(placement) => self.place(entered, facts.context(leased), leased, placement, slot).await,
            Err(unplaceable) => {
                self.end(facts.context(leased), unplaced(unplaceable, seen, facts.now_us)).await
            }
        }
    }

    async fn claim(&self, leased: Leased, seen: &GateFacts) -> Result<Claim, DbError> {
        let mut params = fence(leased);
        params.extend([LEASE_MS.into(), "clear".into(), policy::audit(seen).to_string().into()]);
        let Some(row) = self.setup.stage.journal.db.query_one(&dialing::CLAIM, params).await? else {
            return Ok(Claim::AskAgain);
        };
        if row.bool("claimed")? {
            return Ok(Claim::Ours);
        }
        let reason = row.opt_text("objection")?.and_then(|objection| objection.parse().ok());
        Ok(reason.map_or(Claim::AskAgain, Claim::Waits))
    }

    async fn release(&self, leased: Leased) -> Result<(), DbError> {
        self.setup.stage.journal.db.query_one(&dialing::RELEASE, fence(leased)).await.map(|_| ())
    }

    /// From the mark on, the call is never dialled again, whatever happens.
    async fn place(
        &self,
        entered: Entered,
        mut call: CallContext,
        leased: Leased,
        placement: Placement,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), DbError> {
        let db = &*self.setup.stage.journal.db;
        let asked = Asked::now();
        let Some(row) = db.query_one(&dialing::MARK_DIALED, fence(leased)).await? else { return Ok(()) };
        call.first_dialed_us.get_or_insert(row.int("dialed_us")?);
        if asked.is_long_ago() {
            self.setup.stage.running.renew(db).await?;
        }
        match self.invite(&entered, placement.request).await {
            None => Ok(()),
            Some(Ok(leg)) => {
                self.setup.stage.play(entered, call, placement.job, leg, slot).await;
                Ok(())
            }
            Some(Err(error)) => {
                self.end(call, undialed(&error, self.setup.stage.journal.clock.now_us())).await
            }
        }
    }

    /// Sends the INVITE, unless the lease is gone: then nothing is sent, or what was sent is
    /// taken back with the leg.
    async fn invite(
        &self,
        entered: &Entered,
        request: DialRequest,
    ) -> Option<Result<Box<dyn CallLeg>, DialError>> {
        let late = |_| Err(DialError::Media("the INVITE could not be sent in time".to_owned()));
        tokio::select! {
            biased;
            () = entered.lost().cancelled_owned() => None,
            dialed = tokio::time::timeout(DIAL_TIMEOUT, self.setup.telephony.dial(request)) => {
                Some(dialed.unwrap_or_else(late))
            }
        }
    }
}

/// When the database was asked. A process that is stopped sees it by the monotonic clock, a
/// machine that is suspended only by the other one.
struct Asked(Instant, SystemTime);

impl Asked {
    fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    /// So long that the node may have been paused, and its lease taken.
    fn is_long_ago(&self) -> bool {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default()) > LEASE / 3
    }
}

/// A call that cannot be placed will not become placeable by itself: no retry.
fn unplaced(why: Unplaceable, seen: &GateFacts, now_us: i64) -> End {
    let end = End::plain(CallStatus::Failed, EndReason::TelephonyError, now_us);
    End { refused: Some((why.code().to_owned(), policy::audit(seen))), ..end.because(why.code()) }
}

/// The node could not even try: the next attempt may.
fn undialed(error: &DialError, now_us: i64) -> End {
    let mut end = End::plain(CallStatus::Failed, EndReason::TelephonyError, now_us);
    end.ending.detail = Some(error.to_string());
    end.because("dial_failed")
}

fn fence(leased: Leased) -> Vec<Param> {
    vec![leased.account_id.sql().into(), leased.call_id.sql().into(), leased.token.into()]
}
