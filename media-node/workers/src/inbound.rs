//! Calls that come in: who answers, and the row of the call, before the leg is answered.

use crate::context::{self, CallContext};
use crate::dialer::object;
use crate::directory::Directory;
use crate::fresh;
use crate::runner::Stage;
use crate::running::LEASE_MS;
use crate::shutdown::Shutdown;
use crate::variables::{self, Variables};
use serde_json::{Map, Value};
use std::sync::Arc;
use talkif_model::flow::FlowGraph;
use talkif_model::{AccountId, CallId, Direction, EndReason, FlowId};
use talkif_rules::gate::MIN_BALANCE_MICROCENTS;
use talkif_rules::retry::Caps;
use talkif_session::job::CallJob;
use talkif_store::{DbError, Row, inbound};
use talkif_telephony::{CallLeg, IncomingCall, Rejection, Telephony};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// What taking calls needs.
#[derive(Clone)]
pub(crate) struct Inbound {
    pub(crate) stage: Stage,
    pub(crate) telephony: Arc<dyn Telephony>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) owner: String,
    pub(crate) calls: TaskTracker,
    pub(crate) shutdown: Shutdown,
}

/// Who answers a number of ours.
struct Route {
    account_id: AccountId,
    active: bool,
    balance_microcents: i64,
    answer: Option<Answer>,
    row: Row,
}

/// The published flow that answers.
#[derive(Clone)]
struct Answer {
    flow_id: FlowId,
    version: i64,
    flow: Arc<FlowGraph>,
}

/// Why a call to a number of ours is refused: what the caller hears and what the record says.
struct Refusal {
    rejection: Rejection,
    sip_status: i64,
    end_reason: EndReason,
    failure_code: &'static str,
}

const UNKNOWN_NUMBER: Refusal = Refusal {
    rejection: Rejection::UnknownNumber,
    sip_status: 404,
    end_reason: EndReason::AgentUnavailable,
    failure_code: "unknown_phone_number",
};
const NO_FLOW: Refusal = Refusal {
    rejection: Rejection::NoFlow,
    sip_status: 480,
    end_reason: EndReason::AgentUnavailable,
    failure_code: "no_connected_flow",
};
const SUSPENDED: Refusal = Refusal {
    rejection: Rejection::NoFlow,
    sip_status: 480,
    end_reason: EndReason::AgentUnavailable,
    failure_code: "account_suspended",
};
const NO_BALANCE: Refusal = Refusal {
    rejection: Rejection::Busy,
    sip_status: 486,
    end_reason: EndReason::BalanceDepleted,
    failure_code: "insufficient_balance",
};
const NO_SLOT: Refusal = Refusal {
    rejection: Rejection::Busy,
    sip_status: 486,
    end_reason: EndReason::AgentUnavailable,
    failure_code: "no_free_slot",
};

impl Inbound {
    /// Takes calls until telephony is shut down; while the node drains, it turns them away.
    pub(crate) async fn run(self) {
        while let Some(incoming) = self.telephony.next_call().await {
            let this = self.clone();
            self.calls.spawn(async move { this.take(incoming).await });
        }
    }

    async fn take(self, incoming: IncomingCall) {
        let IncomingCall { from, to, leg } = incoming;
        if self.shutdown.is_asked() {
            return reject(leg, Rejection::Unavailable).await;
        }
        let headers = variables::of_headers(&leg.attributes());
        let rung = Rung { call_id: fresh::call_id(), sip_call_id: leg.id().to_owned(), from, to, headers };
        match self.admit(&rung).await {
            Ok((call, job, slot)) => {
                let entered = self.stage.running.enter(call.call_id, call.token);
                self.stage.play(entered, call, job, leg, slot).await;
            }
            Err(Turned::Away(rejection)) => reject(leg, rejection).await,
            Err(Turned::Broken(error)) => {
                tracing::warn!(call = %rung.call_id, %error, "an incoming call cannot be taken");
                reject(leg, Rejection::Unavailable).await;
            }
        }
    }

    /// Finds out who answers and writes the call's row, taken or refused.
    async fn admit(&self, rung: &Rung) -> Result<(CallContext, CallJob, OwnedSemaphorePermit), Turned> {
        let params = vec![rung.to.as_str().into(), rung.from.as_str().into()];
        let row = self.stage.journal.db.query_one(&inbound::ROUTE, params).await?;
        let route = Route::from_row(row.ok_or(Turned::Away(Rejection::UnknownNumber))?)?;
        let in_good_standing = self.directory.is_active(route.account_id).await?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        let admitted = match check(&route, in_good_standing, slot) {
            Ok((answer, slot)) => {
                self.accept(rung, &route, answer).await?.map(|(call, job)| (call, job, slot))
            }
            Err(refusal) => Err(refusal),
        };
        match admitted {
            Ok(admitted) => Ok(admitted),
            Err(refusal) => Err(self.refuse(rung, &route, &refusal).await?),
        }
    }

    /// Writes the call's row under our lease, unless the account has no free slot.
    async fn accept(
        &self,
        rung: &Rung,
        route: &Route,
        answer: Answer,
    ) -> Result<Result<(CallContext, CallJob), Refusal>, DbError> {
        let trace_id = fresh::trace_id();
        let params = vec![
            route.account_id.sql().into(),
            rung.call_id.sql().into(),
            self.owner.as_str().into(),
            LEASE_MS.into(),
            rung.from.as_str().into(),
            rung.to.as_str().into(),
            answer.flow_id.as_str().into(),
            answer.version.into(),
            rung.sip_call_id.as_str().into(),
            trace_id.as_str().into(),
        ];
        let Some(row) = self.stage.journal.db.query_one(&inbound::ACCEPT, params).await? else {
            return Ok(Err(NO_SLOT));
        };
        let now_us = self.stage.journal.clock.now_us();
        let call = route.context(rung.call_id, row.int("lease_token")?, &answer, now_us);
        Ok(Ok((call, route.job(rung, answer.flow, trace_id, now_us)?)))
    }

    async fn refuse(&self, rung: &Rung, route: &Route, refusal: &Refusal) -> Result<Turned, DbError> {
        let params = vec![
            route.account_id.sql().into(),
            rung.call_id.sql().into(),
            rung.from.as_str().into(),
            rung.to.as_str().into(),
            rung.sip_call_id.as_str().into(),
            fresh::trace_id().into(),
            refusal.end_reason.as_str().into(),
            refusal.failure_code.into(),
            refusal.sip_status.into(),
        ];
        self.stage.journal.db.query_one(&inbound::REFUSE, params).await?;
        Ok(Turned::Away(refusal.rejection))
    }
}

/// A call that rings here, without its leg.
struct Rung {
    call_id: CallId,
    sip_call_id: String,
    /// As the carrier sent them.
    from: String,
    to: String,
    /// `X-…` headers of the INVITE, as variables.
    headers: Map<String, Value>,
}

/// Why a call is not taken.
enum Turned {
    /// With this answer.
    Away(Rejection),
    /// For want of the database.
    Broken(DbError),
}

impl From<DbError> for Turned {
    fn from(error: DbError) -> Self {
        Self::Broken(error)
    }
}

/// In the order in which a caller would want to know.
fn check(
    route: &Route,
    in_good_standing: bool,
    slot: Option<OwnedSemaphorePermit>,
) -> Result<(Answer, OwnedSemaphorePermit), Refusal> {
    if !route.active {
        return Err(UNKNOWN_NUMBER);
    }
    if !in_good_standing {
        return Err(SUSPENDED);
    }
    let answer = route.answer.clone().ok_or(NO_FLOW)?;
    if route.balance_microcents < MIN_BALANCE_MICROCENTS {
        return Err(NO_BALANCE);
    }
    Ok((answer, slot.ok_or(NO_SLOT)?))
}

async fn reject(mut leg: Box<dyn CallLeg>, why: Rejection) {
    if let Err(error) = leg.reject(why).await {
        tracing::debug!(%error, "the rejection was not delivered");
    }
}

impl Route {
    fn from_row(row: Row) -> Result<Self, DbError> {
        let flow_id: Option<FlowId> = row.opt_text("flow_id")?.and_then(|id| id.parse().ok());
        let version = row.opt_int("flow_version")?;
        let graph = context::graph(&row)?;
        Ok(Self {
            account_id: AccountId::from_uuid(row.uuid("account_id")?),
            active: row.text("number_status")? == "active",
            balance_microcents: row.int("balance_microcents")?,
            answer: answer(flow_id, version, graph),
            row,
        })
    }

    fn context(&self, call_id: CallId, token: i64, answer: &Answer, now_us: i64) -> CallContext {
        CallContext {
            account_id: self.account_id,
            call_id,
            token,
            lead_id: None,
            direction: Direction::Inbound,
            attempt: 1,
            // Nobody is called back because they called.
            caps: Caps { max_attempts_per_lead: 1, max_daily_calls_per_number: 1, number_attempts_24h: 1 },
            flow_id: Some(answer.flow_id.clone()),
            flow: Some(Arc::clone(&answer.flow)),
            accepted_us: now_us,
            first_dialed_us: None,
            answered_us: None,
            recorded: false,
            opted_out: false,
        }
    }

    fn job(
        &self,
        rung: &Rung,
        flow: Arc<FlowGraph>,
        trace_id: String,
        now_us: i64,
    ) -> Result<CallJob, DbError> {
        let mut variables = Variables::default();
        variables.set_call(rung.call_id, Direction::Inbound, &rung.from, &rung.to);
        variables.set_fields("call.headers", &rung.headers);
        variables.set_account(self.account_id, &self.row.opt_text("account_name")?.unwrap_or_default());
        variables.set_time(now_us, None);
        variables.set("contact.phone", &rung.from);
        variables.set_some("contact.name", self.row.opt_text("contact_name")?);
        variables.set_fields("contact", &object(&self.row, "contact_attributes")?);
        Ok(CallJob {
            account_id: self.account_id,
            call_id: rung.call_id,
            lead_id: None,
            direction: Direction::Inbound,
            caller: rung.from.parse().ok(),
            flow,
            variables: variables.into_map(),
            trace_id,
        })
    }
}

fn answer(flow_id: Option<FlowId>, version: Option<i64>, flow: Option<Arc<FlowGraph>>) -> Option<Answer> {
    Some(Answer { flow_id: flow_id?, version: version?, flow: flow? })
}
