//! What a route is, and the tables of all components.
//!
//! Every component has a table of its own, beside its handlers, and links only what that table
//! names: one table for all would put the whole API into every component. The OpenAPI check and
//! the guard tests go through [`all`].

use crate::app::App;
use crate::auth::Caller;
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
}

/// One line of a table.
macro_rules! route {
    ($method:ident $path:literal open, $operation:literal $handler:path) => {
        $crate::routes::Route {
            method: ::http::Method::$method,
            path: $path,
            door: $crate::routes::Door::Open(|app, request| Box::pin($handler(app, request))),
            operation: $operation,
        }
    };
    ($method:ident $path:literal $resource:ident $access:ident, $operation:literal $handler:path) => {
        $crate::routes::Route {
            method: ::http::Method::$method,
            path: $path,
            door: $crate::routes::Door::Key(
                ::talkif_model::Scope::of(
                    ::talkif_model::Resource::$resource,
                    ::talkif_model::Access::$access,
                ),
                |app, caller, request| Box::pin($handler(app, caller, request)),
            ),
            operation: $operation,
        }
    };
}
pub(crate) use route;

pub use crate::auth::ROUTES as AUTH;
pub use crate::calls::ROUTES as CALLS;
pub use crate::discovery::ROUTES as DISCOVERY;
pub use crate::flows::ROUTES as FLOWS;
pub use crate::leads::ROUTES as LEADS;
pub use crate::webhooks::ROUTES as WEBHOOKS;

/// The components by the names they have in `spin.toml`, with their tables.
pub static COMPONENTS: &[(&str, &[Route])] = &[
    ("leads", LEADS),
    ("calls", CALLS),
    ("flows", FLOWS),
    ("webhooks", WEBHOOKS),
    ("auth", AUTH),
    ("discovery", DISCOVERY),
];

/// Every route of the API.
pub fn all() -> impl Iterator<Item = &'static Route> {
    COMPONENTS.iter().flat_map(|(_, routes)| routes.iter())
}
