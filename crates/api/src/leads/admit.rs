//! What the account's flows and numbers and the do-not-call list say to a lead.

use super::check::CheckedLead;
use serde::Deserialize;
use std::collections::BTreeSet;
use talkif_model::event::EventType;
use talkif_model::flow::FlowMatch;
use talkif_model::{FlowId, Personal};
use talkif_problem::{Code, FieldCode, FieldError, Problem};
use talkif_rules::router::{self, LeadTraits};
use talkif_store::{DbError, Row};
use uuid::Uuid;

/// Everything the decision needs, as it was when the request came in. The gate asks again
/// before each dial.
pub(super) struct Facts {
    flows: Vec<Candidate>,
    numbers: Vec<OwnNumber>,
    blocked: BTreeSet<Personal<String>>,
    /// The endpoints that want `lead.created`.
    endpoints: Vec<Uuid>,
    pub(super) earlier: Option<Earlier>,
}

/// A published flow.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Candidate {
    pub(super) id: FlowId,
    pub(super) version: i64,
    pub(super) within_s: u32,
    matches: FlowMatch,
}

#[derive(Deserialize)]
struct OwnNumber {
    phone: String,
    flow_id: Option<FlowId>,
}

#[derive(Deserialize)]
struct Endpoint {
    id: Uuid,
    events: Vec<String>,
}

/// The answer that is stored under the request's idempotency key.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Earlier {
    pub(super) body_sha256: String,
    pub(super) status: u16,
    pub(super) response: String,
}

/// A lead that will be called.
pub(super) struct Admitted<'a> {
    pub(super) flow: &'a Candidate,
    pub(super) from_number: &'a str,
    pub(super) endpoints: &'a [Uuid],
}

impl Facts {
    pub(super) fn read(row: &Row) -> Result<Self, DbError> {
        let endpoints: Vec<Endpoint> = row.json("endpoints")?;
        let wants = |endpoint: &Endpoint| endpoint.events.iter().any(|p| EventType::LeadCreated.matches(p));
        Ok(Self {
            flows: row.json("flows")?,
            numbers: row.json("numbers")?,
            blocked: row.json("blocked")?,
            endpoints: endpoints.iter().filter(|e| wants(e)).map(|endpoint| endpoint.id).collect(),
            earlier: match row.opt_text("earlier")? {
                Some(_) => Some(row.json("earlier")?),
                None => None,
            },
        })
    }

    /// Chooses flow and number for `lead`, or says why it cannot be called.
    pub(super) fn admit(&self, lead: &CheckedLead) -> Result<Admitted<'_>, Problem> {
        if self.blocked.contains(&Personal(lead.phone.to_string())) {
            return Err(Problem::new(
                Code::ContactOnDncList,
                "The number is on the do-not-call list or has opted out",
            ));
        }
        let flow = self.flow(lead)?;
        Ok(Admitted { flow, from_number: self.number(lead, flow)?, endpoints: &self.endpoints })
    }

    /// The published flow of this id.
    pub(super) fn published(&self, wanted: &FlowId) -> Result<&Candidate, Problem> {
        self.flows.iter().find(|flow| flow.id == *wanted).ok_or_else(|| {
            let error =
                FieldError::new("flow_id", FieldCode::OutOfRange, "There is no published flow of this id");
            Problem::new(Code::FlowNotPublished, "The flow is not published").with_field(error)
        })
    }

    fn flow(&self, lead: &CheckedLead) -> Result<&Candidate, Problem> {
        if let Some(wanted) = &lead.flow_id {
            return self.published(wanted);
        }
        let traits = LeadTraits {
            source: &lead.source,
            campaign: lead.campaign.as_deref(),
            intent: lead.intent.as_deref(),
            language: lead.language.as_deref(),
        };
        let best = router::route(traits, self.flows.iter().map(|flow| (&flow.id, &flow.matches)));
        best.map_or_else(|| Err(nothing_matches()), |id| self.published(id))
    }

    fn number(&self, lead: &CheckedLead, flow: &Candidate) -> Result<&str, Problem> {
        let of_flow = |number: &&OwnNumber| number.flow_id.as_ref() == Some(&flow.id);
        let number = match &lead.from_number {
            Some(wanted) => self.numbers.iter().find(|number| number.phone == wanted.as_str()),
            None => self.numbers.iter().find(of_flow).or(self.numbers.first()),
        };
        number.map(|number| number.phone.as_str()).ok_or_else(|| {
            let problem = Problem::new(Code::PhoneNumberNotActive, "The account has no such active number");
            let error = FieldError::new(
                "from_number",
                FieldCode::OutOfRange,
                "It is not an active number of the account",
            );
            if lead.from_number.is_some() { problem.with_field(error) } else { problem }
        })
    }
}

fn nothing_matches() -> Problem {
    let error = FieldError::new("flow_id", FieldCode::Required, "No published flow matches the lead");
    let detail = "No published flow takes this lead; name one with `flow_id`";
    Problem::new(Code::BusinessRuleViolation, detail).with_field(error)
}
