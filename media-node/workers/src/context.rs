//! What is known about a call while it is run and when it ends.

use std::sync::Arc;
use talkif_model::flow::{FlowGraph, FollowUp};
use talkif_model::{AccountId, CallId, Direction, FlowId, LeadId, Outcome};
use talkif_rules::retry::Caps;
use talkif_store::{Db, DbError, Param, Row, journal};

/// A call under a lease, with what its events and its end need.
#[derive(Debug, Clone)]
pub(crate) struct CallContext {
    pub(crate) account_id: AccountId,
    pub(crate) call_id: CallId,
    /// Every write names it: a newer token elsewhere makes ours void.
    pub(crate) token: i64,
    pub(crate) lead_id: Option<LeadId>,
    pub(crate) direction: Direction,
    /// Counts from 1.
    pub(crate) attempt: u32,
    /// The account's limits, and how much of them is used, this attempt included.
    pub(crate) caps: Caps,
    pub(crate) flow_id: Option<FlowId>,
    /// Absent only where a flow was deleted under a waiting call.
    pub(crate) flow: Option<Arc<FlowGraph>>,
    /// The lead's acceptance; for inbound calls, when the call came in.
    pub(crate) accepted_us: i64,
    /// The lead's first attempt.
    pub(crate) first_dialed_us: Option<i64>,
    pub(crate) answered_us: Option<i64>,
    pub(crate) recorded: bool,
    pub(crate) opted_out: bool,
}

impl CallContext {
    /// Reads the context of a call somebody else ran, under our `token`.
    pub(crate) async fn read(
        db: &dyn Db,
        account_id: AccountId,
        call_id: CallId,
        token: i64,
    ) -> Result<Option<Self>, DbError> {
        let params = vec![account_id.sql().into(), call_id.sql().into()];
        let row = db.query_one(&journal::CONTEXT, params).await?;
        row.map(|row| Self::from_row(&row, account_id, call_id, token)).transpose()
    }

    fn from_row(row: &Row, account_id: AccountId, call_id: CallId, token: i64) -> Result<Self, DbError> {
        Ok(Self {
            account_id,
            call_id,
            token,
            lead_id: lead_id(row)?,
            direction: row.parse("direction")?,
            attempt: count(row, "attempt_no")?,
            caps: Caps {
                max_attempts_per_lead: count(row, "max_attempts_per_lead")?,
                max_daily_calls_per_number: count(row, "max_daily_calls_per_number")?,
                number_attempts_24h: count(row, "number_calls_today")?,
            },
            flow_id: row.opt_text("flow_id")?.and_then(|id| id.parse().ok()),
            flow: graph(row)?,
            accepted_us: row.int("accepted_us")?,
            first_dialed_us: row.opt_int("first_dialed_us")?,
            answered_us: row.opt_int("answered_us")?,
            recorded: row.bool("recorded")?,
            opted_out: row.bool("opted_out")?,
        })
    }

    /// Account, call and token: the first three parameters of every fenced statement.
    pub(crate) fn fence(&self) -> Vec<Param> {
        vec![self.account_id.sql().into(), self.call_id.sql().into(), self.token.into()]
    }

    /// What the flow says about leads that do not fit: `not_fit: log("out_of_scope")`.
    pub(crate) fn not_fit_reason(&self) -> Option<String> {
        let follow_ups = self.flow.as_ref()?.on.get(&Outcome::NotFit)?;
        follow_ups.iter().find_map(|follow_up| match follow_up {
            FollowUp::Log { message } => Some(message.clone()),
            _ => None,
        })
    }

    /// Milliseconds from acceptance to `us`.
    pub(crate) fn since_accepted_ms(&self, us: i64) -> i64 {
        (us - self.accepted_us).max(0) / 1_000
    }

    pub(crate) fn answered(&mut self, us: i64) {
        self.answered_us.get_or_insert(us);
    }

    pub(crate) fn dialed(&mut self, us: i64) {
        self.first_dialed_us.get_or_insert(us);
    }
}

pub(crate) fn lead_id(row: &Row) -> Result<Option<LeadId>, DbError> {
    let text = row.opt_text("lead_id")?;
    Ok(text.and_then(|text| text.parse().ok()).map(LeadId::from_uuid))
}

/// A graph that does not parse counts as absent: the call is refused, not the worker stopped.
pub(crate) fn graph(row: &Row) -> Result<Option<Arc<FlowGraph>>, DbError> {
    let text = row.opt_text("graph")?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).map(Arc::new))
}

pub(crate) fn count(row: &Row, column: &str) -> Result<u32, DbError> {
    Ok(u32::try_from(row.int(column)?).unwrap_or(0))
}
