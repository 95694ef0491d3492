//! A scripted caller, a model, a voice and a line in virtual time. A test says what happens, in
//! order; the timeline that comes out reads like a transcript of the call.
//!
//! [`Scenario`] is the script, `world` plays it, `timeline` writes it down, `flow` is the flow
//! that all scenarios run.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod flow;
pub mod scenario;
pub mod timeline;
pub mod world;
