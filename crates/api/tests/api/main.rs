//! The API in process: the real router and the real statements on a Postgres and Redis of its
//! own for every test.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bootstrap;
mod calls;
mod errors;
mod every_post;
mod flows;
mod guard;
mod idempotency;
mod keys;
mod leads;
mod least_privilege;
mod lists;
mod openapi;
mod rate_limit;
mod webhooks;
mod world;
