//! What clients get.

use crate::http::PageMeta;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The version that is now in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublishedFlow {
    /// The flow.
    #[schema(example = "flow_pricing_v3")]
    pub(super) flow_id: String,
    /// A name for people.
    pub(super) name: String,
    /// Counts from 1. The same source again keeps the version.
    pub(super) version: i64,
    /// Whether this request made the version.
    pub(super) created: bool,
}

/// A flow without its source.
#[derive(Serialize, ToSchema)]
pub(crate) struct FlowSummary {
    /// The flow.
    pub(super) flow_id: String,
    /// A name for people.
    pub(super) name: String,
    /// The version in force.
    pub(super) version: i64,
    /// RFC 3339.
    pub(super) created_at: String,
    /// RFC 3339.
    pub(super) updated_at: String,
}

/// A page of flows.
#[derive(Serialize, ToSchema)]
pub(crate) struct FlowList {
    /// The flows, by id.
    pub(super) flows: Vec<FlowSummary>,
    /// The page.
    pub(super) meta: PageMeta,
}

/// A flow with its source and versions.
#[derive(Serialize, ToSchema)]
pub(crate) struct Flow {
    /// What lists show, too.
    #[serde(flatten)]
    pub(super) summary: FlowSummary,
    /// `yaml` or `json`.
    pub(super) source_format: String,
    /// What the author wrote, to the letter.
    pub(super) source: String,
    /// What runs: the source with every default in place.
    #[schema(value_type = Object)]
    pub(super) graph: Value,
    /// All versions, newest first.
    pub(super) versions: Vec<FlowVersion>,
}

/// One published version. It never changes.
#[derive(Serialize, ToSchema)]
pub(crate) struct FlowVersion {
    /// Counts from 1.
    pub(super) version: i64,
    /// What its author said about it.
    pub(super) notes: Option<String>,
    /// SHA-256 of the source, hexadecimal.
    pub(super) source_sha256: String,
    /// RFC 3339.
    pub(super) created_at: String,
}
