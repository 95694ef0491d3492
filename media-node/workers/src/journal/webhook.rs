//! The webhook events of a call, as the exact JSON that is stored, signed and sent. Pure.

use crate::context::CallContext;
use crate::fresh;
use talkif_model::event::{Artifacts, EventBody, EventType, WebhookEvent};
use talkif_model::{EventId, Region};
use talkif_rules::artifact::{self, Kind};
use talkif_store::Param;

/// How long the addresses in an event work.
const ARTIFACTS_WORK_FOR_S: i64 = 7 * 24 * 3600;

/// An event ready to be queued.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prepared {
    pub(super) id: EventId,
    pub(super) kind: EventType,
    pub(super) payload: String,
}

impl Prepared {
    /// Event id, type and payload, as the statements take them.
    pub(super) fn params(self) -> [Param; 3] {
        [self.id.sql().into(), self.kind.as_str().into(), self.payload.into()]
    }
}

/// Makes the events of a call at `now_us`.
pub(super) fn prepare(
    call: &CallContext,
    region: Region,
    id: EventId,
    now_us: i64,
    kind: EventType,
    body: EventBody,
) -> Prepared {
    let event = WebhookEvent {
        id,
        event: kind,
        created_at: fresh::rfc3339(now_us),
        region,
        call_id: Some(call.call_id),
        lead_id: call.lead_id,
        flow_id: call.flow_id.clone(),
        body,
    };
    // A map with string keys and plain values always becomes JSON.
    let payload = serde_json::to_string(&event).unwrap_or_default();
    Prepared { id, kind, payload }
}

/// Where artifacts are served, and the key that signs their addresses.
#[derive(Clone)]
pub(crate) struct ArtifactLinks {
    pub(crate) base: std::sync::Arc<str>,
    pub(crate) key: std::sync::Arc<[u8]>,
}

impl ArtifactLinks {
    /// Addresses of what there is: a transcript of answered calls, a recording of recorded ones.
    pub(super) fn of(&self, call: &CallContext, now_us: i64) -> Option<Artifacts> {
        call.answered_us?;
        let expires = now_us / 1_000_000 + ARTIFACTS_WORK_FOR_S;
        let url = |kind| artifact::url(&self.base, &self.key, kind, call.call_id, expires);
        Some(Artifacts {
            transcript_url: Some(url(Kind::Transcript)),
            recording_url: call.recorded.then(|| url(Kind::Recording)),
        })
    }
}
