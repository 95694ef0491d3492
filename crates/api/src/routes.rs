//! The table of all routes. Routers, the OpenAPI check and the guard tests share it.

use crate::app::App;
use crate::auth::{self, Caller};
use crate::http::{Incoming, Reply};
use crate::{calls, discovery, flows, leads, numbers, webhooks};
use futures::future::BoxFuture;
use http::Method;
use std::sync::Arc;
use talkif_model::{Access, Resource, Scope};
use talkif_problem::Problem;

/// What a handler returns.
pub type Answer = BoxFuture<'static, Result<Reply, Problem>>;

/// Who may come in, and who answers.
#[derive(Clone, Copy)]
pub enum Door {
    /// Everybody.
    Open(fn(Arc<App>, Incoming) -> Answer),
    /// Holders of a key with this scope.
    Key(Scope, fn(Arc<App>, Caller, Incoming) -> Answer),
}

/// The component that serves a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// API keys.
    Auth,
    /// Leads and lists.
    Leads,
    /// Calls.
    Calls,
    /// Flows and numbers.
    Flows,
    /// Webhook endpoints.
    Webhooks,
    /// What needs no key.
    Discovery,
}

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may come in, and who answers.
    pub door: Door,
    /// The name of the operation in OpenAPI, logs and guard tests.
    pub operation: &'static str,
    /// Its component.
    pub domain: Domain,
}

macro_rules! route {
    ($domain:ident $method:ident $path:literal open, $operation:literal $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            door: Door::Open(|app, request| Box::pin($handler(app, request))),
            operation: $operation,
            domain: Domain::$domain,
        }
    };
    ($domain:ident $method:ident $path:literal $resource:ident $access:ident, $operation:literal $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            door: Door::Key(Scope::of(Resource::$resource, Access::$access), |app, caller, request| {
                Box::pin($handler(app, caller, request))
            }),
            operation: $operation,
            domain: Domain::$domain,
        }
    };
}

/// Every route of the API.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route!(Leads POST "/v1/leads" Leads Write, "create_lead" leads::create),
    route!(Leads GET "/v1/leads/{id}" Leads Read, "get_lead" leads::fetch),
    route!(Leads DELETE "/v1/leads/{id}" Leads Write, "cancel_lead" leads::cancel),
    route!(Leads POST "/v1/lists" Leads Write, "create_list" leads::create_list),

    route!(Calls GET "/v1/calls" Calls Read, "list_calls" calls::list),
    route!(Calls GET "/v1/calls/{id}" Calls Read, "get_call" calls::fetch),

    route!(Flows POST "/v1/flows" Flows Write, "publish_flow" flows::publish),
    route!(Flows GET "/v1/flows" Flows Read, "list_flows" flows::list),
    route!(Flows GET "/v1/flows/{id}" Flows Read, "get_flow" flows::fetch),
    route!(Flows GET "/v1/numbers" Numbers Read, "list_numbers" numbers::list),

    route!(Webhooks POST "/v1/webhook-endpoints" Webhooks Write, "create_webhook_endpoint" webhooks::create),
    route!(Webhooks GET "/v1/webhook-endpoints" Webhooks Read, "list_webhook_endpoints" webhooks::list),
    route!(Webhooks GET "/v1/webhook-endpoints/{id}" Webhooks Read, "get_webhook_endpoint" webhooks::fetch),
    route!(Webhooks DELETE "/v1/webhook-endpoints/{id}" Webhooks Write, "delete_webhook_endpoint" webhooks::delete),

    route!(Auth POST "/v1/api-keys" ApiKeys Write, "create_api_key" auth::create),
    route!(Auth GET "/v1/api-keys" ApiKeys Read, "list_api_keys" auth::list),
    route!(Auth DELETE "/v1/api-keys/{id}" ApiKeys Write, "revoke_api_key" auth::revoke),

    route!(Discovery GET "/healthz" open, "healthz" discovery::healthz),
    route!(Discovery GET "/v1/readyz" open, "readyz" discovery::readyz),
    route!(Discovery GET "/api/v1/openapi.json" open, "openapi" discovery::openapi),
    route!(Discovery GET "/api/v1/errors" open, "list_errors" discovery::errors),
];
