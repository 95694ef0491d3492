//! Routes, handlers and wire types of the public API, written against ports.
//!
//! The same code runs in the components (over Spin's Postgres and Redis) and in native tests
//! (over sqlx and fakes). This crate opens no socket, reads no clock and draws no randomness:
//! all that comes in through [`Ports`]. It names neither Spin nor any runtime.
//!
//! To add a route: a handler with its wire types in the module of its domain, annotated with
//! `#[utoipa::path]`, one line in its `ROUTES` and one in [`openapi`]. Tests fail until
//! table, router and OpenAPI document agree, and they call every new route without a key, with
//! the wrong scope, as a foreign account, with a broken body and with the wrong method.

mod app;
mod attempts;
mod auth;
pub mod bootstrap;
mod calls;
mod discovery;
mod flows;
pub mod http;
mod idempotency;
mod leads;
mod numbers;
pub mod openapi;
pub mod ports;
pub mod routes;
mod webhooks;

pub use app::App;
pub use auth::Caller;
pub use http::router::{component_router, whole_router};
pub use ports::{Artifacts, Clock, Config, Limits, Ports, RedisAway, Rng, Streams};
