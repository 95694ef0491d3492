//! The table of all routes. Routers, the OpenAPI check and the guard tests share it.

use crate::app::App;
use crate::auth::Caller;
use crate::discovery;
use crate::http::{Incoming, Reply};
use futures::future::BoxFuture;
use http::Method;
use std::sync::Arc;
use talkif_model::Scope;
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

macro_rules! open {
    ($domain:ident $method:ident $path:literal $operation:literal $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            door: Door::Open(|app, request| Box::pin($handler(app, request))),
            operation: $operation,
            domain: Domain::$domain,
        }
    };
}

/// Every route of the API.
pub static ROUTES: &[Route] = &[
    open!(Discovery GET "/healthz" "healthz" discovery::healthz),
];
