//! The row of `dialing.facts`: one queued call with all that decides about it.

use crate::context::{self, CallContext};
use serde_json::{Map, Value};
use std::sync::Arc;
use talkif_model::flow::FlowGraph;
use talkif_model::{AccountId, CallId, Direction, E164, FlowId, LeadId, Personal};
use talkif_rules::retry::Caps;
use talkif_store::{Db, DbError, Row, dialing};

/// A queued call under our lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leased {
    pub(crate) account_id: AccountId,
    pub(crate) call_id: CallId,
    pub(crate) token: i64,
}

impl Leased {
    pub(crate) fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.uuid("account_id")?),
            call_id: CallId::from_uuid(row.uuid("id")?),
            token: row.int("lease_token")?,
        })
    }
}

/// Everything known about a leased call at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// When they were read, by the database's clock.
    pub(crate) now_us: i64,
    pub(crate) lead_id: Option<LeadId>,
    pub(crate) attempt: u32,
    pub(crate) from: Option<E164>,
    pub(crate) to: Option<E164>,
    pub(crate) trace_id: String,
    pub(crate) created_us: i64,
    pub(crate) dial_deadline_us: Option<i64>,
    pub(crate) flow_id: Option<FlowId>,
    pub(crate) flow: Option<Arc<FlowGraph>>,
    pub(crate) flow_archived: bool,
    pub(crate) number: Option<OwnNumber>,
    pub(crate) lead: Option<Lead>,
    pub(crate) timezone: Option<String>,
    pub(crate) contact_name: Option<Personal<String>>,
    pub(crate) contact_attributes: Personal<Map<String, Value>>,
    pub(crate) account: Option<Account>,
    /// The newest word on consent, if there is any.
    pub(crate) consent: Option<bool>,
    pub(crate) on_dnc: bool,
    /// The person asked for it during a call.
    pub(crate) opted_out: bool,
    pub(crate) number_calls_today: u32,
    pub(crate) oldest_number_call_us: Option<i64>,
    pub(crate) account_calls_today: u32,
    pub(crate) number_busy: bool,
    pub(crate) active_calls: u32,
    pub(crate) lead_attempts: u32,
    pub(crate) first_dialed_us: Option<i64>,
}

/// The number we call from.
#[derive(Debug, Clone)]
pub(crate) struct OwnNumber {
    pub(crate) status: String,
    pub(crate) termination_uri: Option<String>,
    pub(crate) transport: String,
    pub(crate) sip_username: Option<String>,
    /// Sealed.
    pub(crate) sip_password: Option<String>,
}

/// The lead.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    pub(crate) state: String,
    pub(crate) source: String,
    pub(crate) name: Option<Personal<String>>,
    pub(crate) intent: Option<String>,
    pub(crate) campaign: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) metadata: Personal<Map<String, Value>>,
    pub(crate) created_us: i64,
}

/// The account's limits and money.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) concurrent_calls: u32,
    pub(crate) max_attempts_per_lead: u32,
    pub(crate) max_daily_calls_per_number: u32,
    pub(crate) max_daily_calls: u32,
    pub(crate) balance_microcents: i64,
}

impl Facts {
    pub(crate) async fn read(db: &dyn Db, leased: Leased) -> Result<Option<Self>, DbError> {
        let params = vec![leased.account_id.sql().into(), leased.call_id.sql().into()];
        db.query_one(&dialing::FACTS, params).await?.map(|row| Self::from_row(&row)).transpose()
    }

    fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            now_us: row.int("now_us")?,
            lead_id: context::lead_id(row)?,
            attempt: context::count(row, "attempt_no")?,
            from: row.text("from_number")?.parse().ok(),
            to: row.text("to_number")?.parse().ok(),
            trace_id: row.text("trace_id")?,
            created_us: row.int("created_us")?,
            dial_deadline_us: row.opt_int("dial_deadline_us")?,
            flow_id: row.opt_text("flow_id")?.and_then(|id| id.parse().ok()),
            flow: context::graph(row)?,
            flow_archived: row.bool("flow_archived")?,
            number: OwnNumber::from_row(row)?,
            lead: Lead::from_row(row)?,
            timezone: row.opt_text("timezone")?,
            contact_name: row.opt_text("contact_name")?.map(Personal),
            contact_attributes: Personal(object(row, "contact_attributes")?),
            account: Account::from_row(row)?,
            consent: row.opt_bool("consent")?,
            on_dnc: row.bool("dnc")?,
            opted_out: row.bool("opted_out")?,
            number_calls_today: context::count(row, "number_calls_today")?,
            oldest_number_call_us: row.opt_int("oldest_number_call_us")?,
            account_calls_today: context::count(row, "account_calls_today")?,
            number_busy: row.bool("number_busy")?,
            active_calls: context::count(row, "active_calls")?,
            lead_attempts: context::count(row, "lead_attempts")?,
            first_dialed_us: row.opt_int("first_dialed_us")?,
        })
    }

    /// What the journal needs.
    pub(crate) fn context(&self, leased: Leased) -> CallContext {
        CallContext {
            account_id: leased.account_id,
            call_id: leased.call_id,
            token: leased.token,
            lead_id: self.lead_id,
            direction: Direction::Outbound,
            attempt: self.attempt,
            caps: self.caps(),
            flow_id: self.flow_id.clone(),
            flow: self.flow.clone(),
            accepted_us: self.lead.as_ref().map_or(self.created_us, |lead| lead.created_us),
            first_dialed_us: self.first_dialed_us,
            answered_us: None,
            recorded: false,
            opted_out: false,
        }
    }

    /// An account without settings has no limits to spend: one attempt.
    fn caps(&self) -> Caps {
        let account = self.account.as_ref();
        Caps {
            max_attempts_per_lead: account.map_or(1, |account| account.max_attempts_per_lead),
            max_daily_calls_per_number: account.map_or(1, |account| account.max_daily_calls_per_number),
            number_attempts_24h: self.number_calls_today + 1,
        }
    }
}

impl OwnNumber {
    fn from_row(row: &Row) -> Result<Option<Self>, DbError> {
        let Some(status) = row.opt_text("number_status")? else { return Ok(None) };
        Ok(Some(Self {
            status,
            termination_uri: row.opt_text("termination_uri")?,
            transport: row.text("transport")?,
            sip_username: row.opt_text("sip_username")?,
            sip_password: row.opt_text("sip_password")?,
        }))
    }
}

impl Lead {
    fn from_row(row: &Row) -> Result<Option<Self>, DbError> {
        let Some(state) = row.opt_text("lead_state")? else { return Ok(None) };
        Ok(Some(Self {
            state,
            source: row.text("lead_source")?,
            name: row.opt_text("lead_name")?.map(Personal),
            intent: row.opt_text("lead_intent")?,
            campaign: row.opt_text("lead_campaign")?,
            language: row.opt_text("lead_language")?,
            metadata: Personal(object(row, "lead_metadata")?),
            created_us: row.int("lead_created_us")?,
        }))
    }
}

impl Account {
    fn from_row(row: &Row) -> Result<Option<Self>, DbError> {
        let Some(name) = row.opt_text("account_name")? else { return Ok(None) };
        Ok(Some(Self {
            name,
            concurrent_calls: context::count(row, "concurrent_calls")?,
            max_attempts_per_lead: context::count(row, "max_attempts_per_lead")?,
            max_daily_calls_per_number: context::count(row, "max_daily_calls_per_number")?,
            max_daily_calls: context::count(row, "max_daily_calls")?,
            balance_microcents: row.int("balance_microcents")?,
        }))
    }
}

/// A nullable json object; absent counts as empty.
pub(crate) fn object(row: &Row, column: &str) -> Result<Map<String, Value>, DbError> {
    Ok(match row.opt_text(column)?.map(|text| serde_json::from_str(&text)) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Map::new(),
    })
}
