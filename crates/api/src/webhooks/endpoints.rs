//! `/v1/webhook-endpoints`.

use super::target;
use crate::app::{App, database, not_found, rfc3339};
use crate::auth::Caller;
use crate::http::{Incoming, Page, PageMeta, Reply};
use crate::idempotency::{Kept, Once};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use talkif_model::EndpointId;
use talkif_model::event::EventType;
use talkif_problem::{Code, FieldCode, FieldError, Problem, ProblemBody};
use talkif_rules::{secret, signature};
use talkif_store::{DbError, Row, webhooks_admin};
use utoipa::ToSchema;

/// An endpoint to be added.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateWebhookEndpoint {
    /// Where events are posted: https, a public address.
    #[schema(example = "https://example.com/hooks/talkif")]
    url: String,
    /// Which events: `*`, `outcome.*`, `call.started` … Default: all.
    #[serde(default = "all_events")]
    #[schema(required = false, example = json!(["outcome.*"]))]
    events: Vec<String>,
}

fn all_events() -> Vec<String> {
    vec!["*".to_owned()]
}

/// An endpoint, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookEndpoint {
    /// The endpoint.
    #[schema(value_type = String)]
    endpoint_id: EndpointId,
    /// Where events are posted.
    url: String,
    /// Which events.
    events: Vec<String>,
    /// `active`, `failing` or `disabled`.
    #[schema(value_type = String, example = "active")]
    status: &'static str,
    /// Why it is disabled.
    disabled_reason: Option<String>,
    /// RFC 3339.
    created_at: String,
}

/// An endpoint just added. The secret is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewWebhookEndpoint {
    /// Verifies signatures: Standard Webhooks and `Talkif-Signature`.
    #[schema(example = "whsec_…")]
    secret: String,
    /// The endpoint.
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
}

/// A page of endpoints.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookEndpointList {
    /// The endpoints, oldest first.
    webhook_endpoints: Vec<WebhookEndpoint>,
    /// The page.
    meta: PageMeta,
}

/// Adds an endpoint; at most 20 per account.
#[utoipa::path(post, path = "/v1/webhook-endpoints", operation_id = "create_webhook_endpoint", tag = "webhooks",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters")),
    request_body = CreateWebhookEndpoint,
    responses(
        (status = 201, description = "The endpoint, with its secret, shown once.", body = NewWebhookEndpoint),
        (status = 400, description = "Fields are wrong.", body = ProblemBody),
        (status = 409, description = "The idempotency key was used with another body.", body = ProblemBody),
        (status = 422, description = "There are 20 endpoints.", body = ProblemBody)))]
pub(crate) async fn create(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let once = Once::of(&app, &caller, &incoming, "create_webhook_endpoint", Kept::Sealed)?;
    if let Some(earlier) = once.earlier().await? {
        return Ok(earlier);
    }
    let body: CreateWebhookEndpoint = incoming.json()?;
    let wanted = check(NewEndpoint { url: body.url, events: body.events }, app.ports.config.local_mode)?;
    make(&app, &once, wanted).await.map(|(_, reply)| reply)
}

/// The account's endpoints.
#[utoipa::path(get, path = "/v1/webhook-endpoints", operation_id = "list_webhook_endpoints", tag = "webhooks",
    params(Page),
    responses((status = 200, description = "A page of endpoints.", body = WebhookEndpointList)))]
pub(crate) async fn list(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let page = incoming.page()?;
    let params = vec![caller.account.sql().into(), page.limit.into(), page.offset.into()];
    let rows = app.ports.db.query(&webhooks_admin::LIST, params).await.map_err(database)?;
    let (webhook_endpoints, meta) = page.rows(&rows, read).map_err(database)?;
    Reply::ok(&WebhookEndpointList { webhook_endpoints, meta })
}

/// One endpoint.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{id}", operation_id = "get_webhook_endpoint", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "The endpoint.", body = WebhookEndpoint),
        (status = 404, description = "No such endpoint.", body = ProblemBody)))]
pub(crate) async fn fetch(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: EndpointId = incoming.id("id")?;
    let params = vec![caller.account.sql().into(), id.sql().into()];
    let row = app.ports.db.query_one(&webhooks_admin::FETCH, params).await.map_err(database)?;
    let row = row.ok_or_else(|| not_found("webhook endpoint"))?;
    Reply::ok(&read(&row).map_err(database)?)
}

/// Deletes an endpoint with everything still to be delivered to it.
#[utoipa::path(delete, path = "/v1/webhook-endpoints/{id}", operation_id = "delete_webhook_endpoint", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such endpoint.", body = ProblemBody)))]
pub(crate) async fn delete(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: EndpointId = incoming.id("id")?;
    let params = vec![caller.account.sql().into(), id.sql().into()];
    let row = app.ports.db.query_one(&webhooks_admin::DELETE, params).await.map_err(database)?;
    row.map(|_| Reply::no_content()).ok_or_else(|| not_found("webhook endpoint"))
}

/// An endpoint as it is wanted.
pub(crate) struct NewEndpoint {
    pub(crate) url: String,
    pub(crate) events: Vec<String>,
}

fn check(wanted: NewEndpoint, local_mode: bool) -> Result<NewEndpoint, Problem> {
    let mut errors = Vec::new();
    if let Err(message) = target::check(&wanted.url, local_mode) {
        errors.push(FieldError::new("url", FieldCode::InvalidFormat, message));
    }
    if wanted.events.is_empty() || wanted.events.len() > EventType::ALL.len() {
        errors.push(FieldError::new("events", FieldCode::OutOfRange, "Name 1 to 8 patterns"));
    }
    // A pattern that takes no event at all is a typing error.
    let idle = |pattern: &str| !EventType::ALL.iter().any(|event| event.matches(pattern));
    let idle = wanted.events.iter().enumerate().filter(|(_, pattern)| idle(pattern));
    errors.extend(idle.map(|(at, _)| {
        let message = "It must be `*`, `outcome.*` or an event type";
        FieldError::new(format!("events[{at}]"), FieldCode::OutOfRange, message)
    }));
    if errors.is_empty() { Ok(wanted) } else { Err(Problem::fields(errors)) }
}

/// Adds an endpoint with a new secret, sealed at rest, and makes the answer that shows it.
pub(crate) async fn make(
    app: &App,
    once: &Once<'_>,
    wanted: NewEndpoint,
) -> Result<(NewWebhookEndpoint, Reply), Problem> {
    let secret = signature::new_secret(app.random());
    let sealed = secret::seal(app.ports.config.sealing_key()?, &secret);
    let (unix_ms, random) = app.id_seed();
    let now_us = app.now_us();
    let endpoint = WebhookEndpoint {
        endpoint_id: EndpointId::new(unix_ms, random),
        url: wanted.url,
        events: wanted.events,
        status: "active",
        disabled_reason: None,
        created_at: rfc3339(now_us),
    };
    let row = vec![
        endpoint.endpoint_id.sql().into(),
        endpoint.url.as_str().into(),
        sealed.into(),
        endpoint.events.clone().into(),
        now_us.into(),
    ];
    let made = NewWebhookEndpoint { secret, endpoint };
    let reply = Reply::json(StatusCode::CREATED, &made)?;
    let reply = once.write(&webhooks_admin::CREATE, row, reply).await?.ok_or_else(full)?;
    Ok((made, reply))
}

fn full() -> Problem {
    let detail = "An account has at most 20 webhook endpoints; delete one first";
    Problem::new(Code::BusinessRuleViolation, detail)
}

impl NewWebhookEndpoint {
    /// The secret, for whoever set the account up.
    pub(crate) fn into_secret(self) -> String {
        self.secret
    }
}

fn read(row: &Row) -> Result<WebhookEndpoint, DbError> {
    let status = match (row.bool("disabled")?, row.opt_int("failing_us")?) {
        (true, _) => "disabled",
        (false, Some(_)) => "failing",
        (false, None) => "active",
    };
    Ok(WebhookEndpoint {
        endpoint_id: EndpointId::from_uuid(row.uuid("id")?),
        url: row.text("url")?,
        events: row.texts("events")?,
        status,
        disabled_reason: row.opt_text("disabled_reason")?,
        created_at: rfc3339(row.int("created_us")?),
    })
}
