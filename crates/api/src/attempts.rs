//! The attempts of a lead, as leads and calls show them.

use crate::app::rfc3339;
use serde::{Deserialize, Serialize};
use talkif_model::{CallId, CallStatus, EndReason, Outcome};
use talkif_store::{DbError, Row};
use utoipa::ToSchema;
use uuid::Uuid;

/// One attempt to reach a lead.
#[derive(Serialize, ToSchema)]
pub(crate) struct Attempt {
    /// The call.
    #[schema(value_type = String)]
    call_id: CallId,
    /// Counts from 1.
    attempt: u32,
    /// As of the call.
    #[schema(value_type = String, example = "completed")]
    status: CallStatus,
    /// As of the call.
    #[schema(value_type = Option<String>)]
    end_reason: Option<EndReason>,
    /// As of the call.
    #[schema(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// It is not dialled before, RFC 3339.
    not_before: String,
    /// RFC 3339.
    dialed_at: Option<String>,
    /// RFC 3339.
    ended_at: Option<String>,
}

#[derive(Deserialize)]
struct Stored {
    id: Uuid,
    attempt: u32,
    status: CallStatus,
    end_reason: Option<EndReason>,
    outcome: Option<Outcome>,
    not_before_us: i64,
    dialed_us: Option<i64>,
    ended_us: Option<i64>,
}

/// The column `attempts` of a row.
pub(crate) fn attempts(row: &Row) -> Result<Vec<Attempt>, DbError> {
    let stored: Vec<Stored> = row.json("attempts")?;
    Ok(stored.into_iter().map(Attempt::from).collect())
}

impl From<Stored> for Attempt {
    fn from(stored: Stored) -> Self {
        Self {
            call_id: CallId::from_uuid(stored.id),
            attempt: stored.attempt,
            status: stored.status,
            end_reason: stored.end_reason,
            outcome: stored.outcome,
            not_before: rfc3339(stored.not_before_us),
            dialed_at: stored.dialed_us.map(rfc3339),
            ended_at: stored.ended_us.map(rfc3339),
        }
    }
}
