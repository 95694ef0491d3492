//! What is written for an accepted lead.

use super::admit::Admitted;
use super::check::CheckedLead;
use crate::app::{App, rfc3339};
use serde::Serialize;
use serde_json::{Map, Value};
use talkif_model::event::{EventBody, EventType, WebhookEvent};
use talkif_model::{CallId, ContactId, DeliveryId, EventId, FlowId, LeadId, Personal};
use talkif_problem::Problem;
use uuid::Uuid;

/// The rows of one request.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) leads: Vec<LeadRow>,
    pub(super) deliveries: Vec<DeliveryRow>,
    pub(super) spans: Vec<SpanRow>,
}

/// A lead with its call, contact and consent.
#[derive(Serialize)]
pub(super) struct LeadRow {
    lead_id: Uuid,
    call_id: Uuid,
    contact_id: Uuid,
    consent_id: Uuid,
    source: String,
    phone: String,
    name: Option<Personal<String>>,
    intent: Option<String>,
    campaign: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    flow_id: FlowId,
    flow_version: i64,
    from_number: String,
    call_within_s: u32,
    metadata: Map<String, Value>,
    consent_source: String,
    evidence: Value,
    trace_id: String,
}

/// One `lead.created` for one endpoint.
#[derive(Serialize)]
pub(super) struct DeliveryRow {
    id: Uuid,
    endpoint_id: Uuid,
    event_id: Uuid,
    call_id: Uuid,
    lead_id: Uuid,
    payload: String,
}

/// A span of the call's trace, from before the call.
#[derive(Serialize)]
pub(super) struct SpanRow {
    call_id: Uuid,
    span_id: String,
    parent_span_id: Option<String>,
    name: &'static str,
    started_at: String,
    /// `None`: when the row is written.
    ended_at: Option<String>,
}

/// The ids of a lead that is about to be written.
#[derive(Clone)]
pub(super) struct NewIds {
    pub(super) lead: LeadId,
    pub(super) call: CallId,
    /// Of the call's trace.
    pub(super) trace_id: String,
}

/// When the stages of a request began, in microseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Stages {
    pub(super) received_us: i64,
    pub(super) matching_us: i64,
    pub(super) matched_us: i64,
}

impl Rows {
    /// Adds everything that belongs to one lead and returns its new ids.
    pub(super) fn add(
        &mut self,
        app: &App,
        lead: CheckedLead,
        admitted: &Admitted<'_>,
        trace_id: String,
        stages: Stages,
    ) -> Result<NewIds, Problem> {
        let ids = new_ids(app, trace_id);
        self.add_deliveries(app, &ids, &lead, admitted, stages)?;
        self.add_spans(app, ids.call, stages);
        self.leads.push(lead_row(app, &ids, lead, admitted));
        Ok(ids)
    }

    fn add_deliveries(
        &mut self,
        app: &App,
        ids: &NewIds,
        lead: &CheckedLead,
        admitted: &Admitted<'_>,
        stages: Stages,
    ) -> Result<(), Problem> {
        if admitted.endpoints.is_empty() {
            return Ok(());
        }
        let event = created_event(app, ids, lead, admitted, stages);
        let payload = serde_json::to_string(&event).map_err(|error| Problem::internal(error.to_string()))?;
        for endpoint in admitted.endpoints {
            let (unix_ms, random) = app.id_seed();
            self.deliveries.push(DeliveryRow {
                id: DeliveryId::new(unix_ms, random).uuid(),
                endpoint_id: *endpoint,
                event_id: event.id.uuid(),
                call_id: ids.call.uuid(),
                lead_id: ids.lead.uuid(),
                payload: payload.clone(),
            });
        }
        Ok(())
    }

    fn add_spans(&mut self, app: &App, call: CallId, stages: Stages) {
        let root = span_id(app);
        let mut add = |span_id, parent_span_id, name, started_us, ended_us: Option<i64>| {
            self.spans.push(SpanRow {
                call_id: call.uuid(),
                span_id,
                parent_span_id,
                name,
                started_at: rfc3339(started_us),
                ended_at: ended_us.map(rfc3339),
            });
        };
        add(root.clone(), None, "lead.received", stages.received_us, Some(stages.received_us));
        add(span_id(app), Some(root.clone()), "flow.match", stages.matching_us, Some(stages.matched_us));
        add(span_id(app), Some(root), "queue.enqueue", stages.matched_us, None);
    }
}

fn new_ids(app: &App, trace_id: String) -> NewIds {
    let (unix_ms, random) = app.id_seed();
    NewIds { lead: LeadId::new(unix_ms, random), call: CallId::new(unix_ms, app.random()), trace_id }
}

fn span_id(app: &App) -> String {
    hex::encode(app.random::<8>())
}

fn lead_row(app: &App, ids: &NewIds, lead: CheckedLead, admitted: &Admitted<'_>) -> LeadRow {
    let (unix_ms, random) = app.id_seed();
    LeadRow {
        lead_id: ids.lead.uuid(),
        call_id: ids.call.uuid(),
        contact_id: ContactId::new(unix_ms, random).uuid(),
        consent_id: talkif_model::id::uuid_v7(unix_ms, app.random()),
        source: lead.source,
        phone: lead.phone.to_string(),
        name: lead.name,
        intent: lead.intent,
        campaign: lead.campaign,
        language: lead.language,
        timezone: lead.timezone,
        flow_id: admitted.flow.id.clone(),
        flow_version: admitted.flow.version,
        from_number: admitted.from_number.to_owned(),
        call_within_s: lead.call_within_s.unwrap_or(admitted.flow.within_s),
        metadata: lead.metadata,
        consent_source: lead.evidence.source,
        evidence: lead.evidence.json,
        trace_id: ids.trace_id.clone(),
    }
}

fn created_event(
    app: &App,
    ids: &NewIds,
    lead: &CheckedLead,
    admitted: &Admitted<'_>,
    stages: Stages,
) -> WebhookEvent {
    let (unix_ms, random) = app.id_seed();
    WebhookEvent {
        id: EventId::new(unix_ms, random),
        event: EventType::LeadCreated,
        created_at: rfc3339(stages.received_us),
        region: app.ports.config.region,
        call_id: Some(ids.call),
        lead_id: Some(ids.lead),
        flow_id: Some(admitted.flow.id.clone()),
        body: EventBody {
            phone: Some(Personal(lead.phone.to_string())),
            source: Some(lead.source.clone()),
            consent: Some(true),
            ..EventBody::default()
        },
    }
}
