//! From facts to the INVITE and the session's job.

use super::facts::{Facts, Leased, OwnNumber};
use crate::variables::Variables;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::flow::FlowGraph;
use talkif_model::{Direction, E164};
use talkif_rules::secret::{self, SealingKey};
use talkif_rules::template;
use talkif_session::job::CallJob;
use talkif_telephony::{DialRequest, Transport, Trunk};

/// Longest value of a header of a flow's.
const LONGEST_HEADER: usize = 256;

/// Why a call that the gate let through cannot be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unplaceable {
    /// The flow's graph is gone or broken.
    NoFlow,
    /// A number is not in E.164.
    BadNumber,
    /// Our number has no carrier.
    NoTrunk,
    /// The carrier's password cannot be opened.
    BadCredentials,
}

impl Unplaceable {
    /// The call's failure code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NoFlow => "no_connected_flow",
            Self::BadNumber => "invalid_number",
            Self::NoTrunk => "no_trunk",
            Self::BadCredentials => "trunk_credentials",
        }
    }
}

/// What is dialled and what is said.
pub(super) struct Placement {
    pub(super) request: DialRequest,
    pub(super) job: CallJob,
}

/// Puts a placement together, before anything is dialled.
pub(super) fn place(
    facts: &Facts,
    leased: Leased,
    key: &SealingKey,
    now_us: i64,
) -> Result<Placement, Unplaceable> {
    let flow = facts.flow.clone().ok_or(Unplaceable::NoFlow)?;
    let from = facts.from.clone().ok_or(Unplaceable::BadNumber)?;
    let to = facts.to.clone().ok_or(Unplaceable::BadNumber)?;
    let number = facts.number.as_ref().ok_or(Unplaceable::NoTrunk)?;
    let job = job(facts, leased, Arc::clone(&flow), &from, to.clone(), now_us);
    let request = DialRequest {
        call_id: leased.call_id,
        from: from.clone(),
        to: to.clone(),
        trunk: trunk(number, key)?,
        max_ring: Duration::from_secs(flow.call.max_ring_s.into()),
        headers: headers(&job),
    };
    Ok(Placement { request, job })
}

/// The flow's own headers and ours. A value that cannot be rendered is left out; one that could
/// end its line is cut there.
fn headers(job: &CallJob) -> Vec<(String, String)> {
    let rendered = job.flow.call.headers.iter().filter_map(|(name, value)| {
        let value = template::render(value, &job.variables).ok()?;
        let value: String =
            value.trim().chars().take_while(|c| !c.is_control()).take(LONGEST_HEADER).collect();
        (!value.is_empty()).then(|| (name.clone(), value))
    });
    let own = ("X-Talkif-Call".to_owned(), job.call_id.to_string());
    std::iter::once(own).chain(rendered).collect()
}

fn job(facts: &Facts, leased: Leased, flow: Arc<FlowGraph>, from: &E164, to: E164, now_us: i64) -> CallJob {
    CallJob {
        account_id: leased.account_id,
        call_id: leased.call_id,
        lead_id: facts.lead_id,
        direction: Direction::Outbound,
        variables: variables(facts, leased, from, &to, now_us).into_map(),
        caller: Some(to),
        flow,
        trace_id: facts.trace_id.clone(),
    }
}

fn variables(facts: &Facts, leased: Leased, from: &E164, to: &E164, now_us: i64) -> Variables {
    let mut variables = Variables::default();
    variables.set_call(leased.call_id, Direction::Outbound, from.as_str(), to.as_str());
    variables.set_account(leased.account_id, facts.account.as_ref().map_or("", |account| &account.name));
    variables.set_time(now_us, facts.timezone.as_deref());
    variables.set("contact.phone", to.as_str());
    variables.set_some("contact.name", facts.contact_name.as_ref().map(|name| name.0.clone()));
    if let Some(lead) = &facts.lead {
        variables.set_some("contact.name", lead.name.as_ref().map(|name| name.0.clone()));
        variables.set_some("lead.name", lead.name.as_ref().map(|name| name.0.clone()));
        variables.set("lead.source", &lead.source);
        variables.set_some("lead.intent", lead.intent.as_deref());
        variables.set_some("lead.campaign", lead.campaign.as_deref());
        variables.set_some("lead.language", lead.language.as_deref());
        variables.set_fields("lead", &lead.metadata.0);
    }
    variables.set_fields("contact", &facts.contact_attributes.0);
    variables
}

fn trunk(number: &OwnNumber, key: &SealingKey) -> Result<Trunk, Unplaceable> {
    let uri = number.termination_uri.as_deref().map(str::trim).filter(|uri| !uri.is_empty());
    let sealed = number.sip_password.as_deref();
    let password = sealed.map(|token| secret::open(key, token)).transpose();
    Ok(Trunk {
        address: host_of(uri.ok_or(Unplaceable::NoTrunk)?).to_owned(),
        transport: match number.transport.as_str() {
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            _ => Transport::Udp,
        },
        username: number.sip_username.clone(),
        password: password.map_err(|_| Unplaceable::BadCredentials)?,
    })
}

/// `host:port` of a SIP URI without user, or of `host:port` itself.
fn host_of(uri: &str) -> &str {
    let rest = uri.strip_prefix("sips:").or_else(|| uri.strip_prefix("sip:")).unwrap_or(uri);
    rest.split([';', '?']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_rendered_and_never_break_their_line() {
        let source = r#"{"id": "flow_a", "qualify": ["need"], "call": {"headers": {
            "X-Campaign": "{{lead.campaign}}", "X-Name": "{{contact.name}}", "X-No": "{{contact.none}}"}}}"#;
        let flow = talkif_rules::flow::compile(source, talkif_rules::flow::Format::Json).unwrap();
        let variables = [("lead.campaign", "spring"), ("contact.name", "Ece\r\nX-Evil: 1")];
        let job = CallJob {
            account_id: talkif_model::AccountId::new(1, [1; 10]),
            call_id: talkif_model::CallId::new(1, [1; 10]),
            lead_id: None,
            direction: Direction::Outbound,
            caller: None,
            flow: Arc::new(flow),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            trace_id: String::new(),
        };
        let headers = headers(&job);
        let told: Vec<_> =
            headers.iter().skip(1).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told, [("X-Campaign", "spring"), ("X-Name", "Ece")]);
    }

    #[test]
    fn a_carriers_host_is_found_in_either_form() {
        for uri in ["sip.carrier.example:5060", "sip:sip.carrier.example:5060;transport=udp"] {
            assert_eq!(host_of(uri), "sip.carrier.example:5060");
        }
    }
}
