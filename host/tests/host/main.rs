//! The host from outside: real components, served on loopback, with real Postgres and Redis.
//!
//! The guest is `test-guests/probe`, built once per test process. To test another behaviour, give
//! the probe a path for it and add a test to the module of its subject.
#![allow(clippy::unwrap_used, reason = "tests")]

mod edge;
mod hostile;
mod http;
mod isolation;
mod loading;
mod postgres;
mod process;
mod redis;
mod support;
mod tls;
