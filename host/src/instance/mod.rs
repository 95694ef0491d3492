//! One instance of a component: its state, its limits, its life.
//!
//! A worker (from `wasmtime_wasi_http::handler`) owns an instance and feeds it requests until it
//! has served enough, idled long enough, trapped, or taken too long.

mod guest_log;
mod state;
mod worker;

pub(crate) use state::{Grants, State};
pub(crate) use worker::{Instances, Reuse};
