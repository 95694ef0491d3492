//! What a route is, and the tables of all components.
//!
//! Every component has a table of its own, beside its handlers, and links only what that table
//! names: one table for all would put the whole API into every component. It is given only what
//! those routes need, too. The OpenAPI check and
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

/// What a component may be given by the operator: the variables of `spin.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The region this edge serves.
    Region,
    /// The region's database.
    DatabaseUrl,
    /// The directory database.
    DirectoryUrl,
    /// The region's Redis.
    RedisUrl,
    /// Seals secrets at rest.
    FernetKey,
    /// Where clients reach this edge.
    PublicUrl,
    /// Where transcripts and recordings lie.
    ArtifactsUrl,
    /// Signs their addresses.
    ArtifactsKey,
    /// Whether webhooks may go to private addresses.
    LocalMode,
    /// Whether a proxy of ours writes `x-forwarded-for`.
    TrustForwarded,
}

impl Variable {
    /// Its name in `spin.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::DatabaseUrl => "database_url",
            Self::DirectoryUrl => "directory_url",
            Self::RedisUrl => "redis_url",
            Self::FernetKey => "fernet_key",
            Self::PublicUrl => "public_url",
            Self::ArtifactsUrl => "artifacts_url",
            Self::ArtifactsKey => "artifacts_key",
            Self::LocalMode => "local_mode",
            Self::TrustForwarded => "trust_forwarded",
        }
    }
}

/// One component: its table, and the least it must be given. Tests hold `spin.toml` against this
/// list and serve every route with nothing but these variables.
pub struct Component {
    /// Its name in `spin.toml`.
    pub name: &'static str,
    /// What it serves.
    pub routes: &'static [Route],
    /// What it needs for that.
    pub variables: &'static [Variable],
}

/// Leads and lists.
pub static LEADS: Component = Component {
    name: "leads",
    routes: crate::leads::ROUTES,
    variables: &[
        Variable::Region,
        Variable::DatabaseUrl,
        Variable::DirectoryUrl,
        Variable::RedisUrl,
        Variable::TrustForwarded,
    ],
};

/// Calls and numbers.
pub static CALLS: Component = Component {
    name: "calls",
    routes: crate::calls::ROUTES,
    variables: &[
        Variable::Region,
        Variable::DatabaseUrl,
        Variable::DirectoryUrl,
        Variable::ArtifactsUrl,
        Variable::ArtifactsKey,
        Variable::TrustForwarded,
    ],
};

/// Flows.
pub static FLOWS: Component = Component {
    name: "flows",
    routes: crate::flows::ROUTES,
    variables: &[Variable::Region, Variable::DatabaseUrl, Variable::DirectoryUrl, Variable::TrustForwarded],
};

/// Webhook endpoints.
pub static WEBHOOKS: Component = Component {
    name: "webhooks",
    routes: crate::webhooks::ROUTES,
    variables: &[
        Variable::Region,
        Variable::DatabaseUrl,
        Variable::DirectoryUrl,
        Variable::FernetKey,
        Variable::LocalMode,
        Variable::TrustForwarded,
    ],
};

/// API keys, which the directory holds. Answers that show one are kept sealed.
pub static AUTH: Component = Component {
    name: "auth",
    routes: crate::auth::ROUTES,
    variables: &[Variable::Region, Variable::DirectoryUrl, Variable::FernetKey, Variable::TrustForwarded],
};

/// What needs no key. Readiness asks both databases.
pub static DISCOVERY: Component = Component {
    name: "discovery",
    routes: crate::discovery::ROUTES,
    variables: &[Variable::Region, Variable::DatabaseUrl, Variable::DirectoryUrl, Variable::PublicUrl],
};

/// The components.
pub static COMPONENTS: &[&Component] = &[&LEADS, &CALLS, &FLOWS, &WEBHOOKS, &AUTH, &DISCOVERY];

/// Every route of the API.
pub fn all() -> impl Iterator<Item = &'static Route> {
    COMPONENTS.iter().flat_map(|component| component.routes.iter())
}
