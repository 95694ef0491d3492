//! What clients send and get.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use talkif_model::{CallId, CallStatus, FlowId, LeadId, Personal};
use talkif_problem::FieldError;
use utoipa::ToSchema;

/// A lead event. Seconds after it is accepted, the lead is dialled.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateLead {
    /// `lead.created`, if present.
    #[schema(example = "lead.created")]
    pub(super) event: Option<String>,
    /// Where the lead comes from: `web_form`, `meta_lead_ads` …
    #[schema(example = "web_form", max_length = 100)]
    pub(super) source: String,
    /// The number, best in E.164; national numbers need `country`.
    #[schema(value_type = String, example = "+905321234218")]
    pub(super) phone: Personal<String>,
    /// ISO 3166-1 alpha-2, for numbers without a calling code.
    #[schema(example = "TR")]
    pub(super) country: Option<String>,
    /// The person's name.
    #[schema(value_type = Option<String>, max_length = 200)]
    pub(super) name: Option<Personal<String>>,
    /// What the lead wants: `pricing` …
    #[schema(example = "pricing", max_length = 100)]
    pub(super) intent: Option<String>,
    /// ISO 639-1.
    #[schema(example = "tr")]
    pub(super) language: Option<String>,
    /// The campaign that won the lead.
    #[schema(max_length = 100)]
    pub(super) campaign: Option<String>,
    /// The person's time zone, IANA; calling windows hold in it. Default: by the number.
    #[schema(example = "Europe/Istanbul")]
    pub(super) timezone: Option<String>,
    /// Without consent nobody is called.
    pub(super) consent: Option<Consent>,
    /// Dial within this time. Default: the flow's.
    pub(super) call_within: Option<Within>,
    /// The flow that calls. Default: the published flow that matches best.
    #[schema(value_type = Option<String>, example = "flow_pricing_v3")]
    pub(super) flow_id: Option<FlowId>,
    /// The account's number that calls. Default: the flow's number, or the oldest one.
    #[schema(value_type = Option<String>)]
    pub(super) from_number: Option<Personal<String>>,
    /// Anything of yours: comes back with the lead, and in prompts as `lead.…`.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    pub(super) metadata: Map<String, Value>,
}

/// The person agreed to be called: `true`, or how it was given.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Consent {
    /// `true`.
    Flag(bool),
    /// With evidence.
    Evidence(ConsentEvidence),
}

/// How consent was given. Everything is kept with the consent.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentEvidence {
    /// Must be `true`.
    pub(super) granted: bool,
    /// Where: `landing_page`, `phone` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// The sentence that was agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    /// The person's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) ip: Option<Personal<String>>,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

/// A span of time: seconds, or a text such as `60s`, `2m`, `1h`.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Within {
    /// Seconds.
    Seconds(i64),
    /// `60s`, `2m`, `1h`.
    Text(String),
}

/// The lead is accepted and its call queued.
#[derive(Serialize, ToSchema)]
pub(crate) struct LeadAccepted {
    /// The lead.
    #[schema(value_type = String, example = "lead_01j9z3k7v8x2m4n6p8q0r2s4t6")]
    pub(super) lead_id: LeadId,
    /// Its first call.
    #[schema(value_type = String, example = "call_01j9z3k7v8x2m4n6p8q0r2s4t6")]
    pub(super) call_id: CallId,
    /// `queued`.
    #[schema(value_type = String, example = "queued")]
    pub(super) status: CallStatus,
}

/// Many leads for one flow. Leads that cannot be called are reported one by one; all others are
/// queued together, or, if the write fails, none of them.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateList {
    /// The flow that calls them.
    #[schema(value_type = String, example = "flow_recovery")]
    pub(super) flow_id: FlowId,
    /// Where they come from. Default: `list`.
    #[schema(max_length = 100)]
    pub(super) source: Option<String>,
    /// Consent of every lead that does not bring its own.
    pub(super) consent: Option<Consent>,
    /// As for one lead.
    pub(super) call_within: Option<Within>,
    /// As for one lead.
    #[schema(value_type = Option<String>)]
    pub(super) from_number: Option<Personal<String>>,
    /// As for one lead.
    #[schema(max_length = 100)]
    pub(super) campaign: Option<String>,
    /// 1 to 1000 leads.
    #[schema(min_items = 1, max_items = 1000)]
    pub(super) leads: Vec<ListLead>,
}

/// One lead of a list; fields as in a single lead.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListLead {
    /// The number.
    #[schema(value_type = String)]
    pub(super) phone: Personal<String>,
    /// ISO 3166-1 alpha-2.
    pub(super) country: Option<String>,
    /// The person's name.
    #[schema(value_type = Option<String>)]
    pub(super) name: Option<Personal<String>>,
    /// What the lead wants.
    pub(super) intent: Option<String>,
    /// ISO 639-1.
    pub(super) language: Option<String>,
    /// IANA.
    pub(super) timezone: Option<String>,
    /// Its own consent.
    pub(super) consent: Option<Consent>,
    /// Anything of yours.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    pub(super) metadata: Map<String, Value>,
}

/// What became of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListAccepted {
    /// Leads that are queued.
    pub(super) accepted: usize,
    /// Leads that are not.
    pub(super) rejected: usize,
    /// One entry for each lead, in the order of the request.
    pub(super) results: Vec<ListResult>,
}

/// What became of one lead of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListResult {
    /// Its place in the request, from 0.
    pub(super) index: usize,
    /// `queued` or `rejected`.
    #[schema(value_type = String, example = "queued")]
    pub(super) status: &'static str,
    /// The lead, if queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) lead_id: Option<LeadId>,
    /// Its call, if queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) call_id: Option<CallId>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ListError>,
}

/// Why a lead of a list was rejected.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListError {
    /// As in the error body.
    #[schema(value_type = String, example = "contact_on_dnc_list")]
    pub(super) code: &'static str,
    /// As in the error body.
    pub(super) detail: String,
    /// As in the error body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) errors: Vec<FieldError>,
}

impl From<ListLead> for CreateLead {
    fn from(lead: ListLead) -> Self {
        Self {
            event: None,
            source: String::new(),
            phone: lead.phone,
            country: lead.country,
            name: lead.name,
            intent: lead.intent,
            language: lead.language,
            campaign: None,
            timezone: lead.timezone,
            consent: lead.consent,
            call_within: None,
            flow_id: None,
            from_number: None,
            metadata: lead.metadata,
        }
    }
}
