//! The work that outlives a request: dialling, journals of calls, webhooks, and putting right
//! what crashes leave behind.
//!
//! [`Workers::start`] runs it all for one node:
//!
//! - `dialer` takes queued calls, asks the gate and dials; `inbound` takes calls that come in;
//! - `runner` holds a call: the session ([`CallRunner`], brought by the node) and its `journal`,
//!   which makes durable what the session reports;
//! - `running` keeps the leases of the node's calls; `janitor` ends the calls of dead nodes, when
//!   `calm` says that it can tell;
//! - `courier` carries webhooks, `artifacts` serves signed addresses, `live` feeds viewers,
//!   `otlp` exports traces.
//!
//! The truth is in Postgres, and every change is one statement of `talkif-store`. Nothing here
//! talks to another node: leases decide who does what. This crate does not know how audio
//! flows, what an agent says, or where recordings lie.
//!
//! To add a worker: a module with its loop, and a line in `workers`.

mod artifacts;
mod calm;
mod clock;
mod context;
mod courier;
mod dialer;
mod directory;
mod fresh;
mod inbound;
mod janitor;
mod journal;
mod live;
mod otlp;
mod policy;
mod range;
mod recordings;
mod redaction;
mod runner;
mod running;
mod shutdown;
#[cfg(test)]
mod tests;
mod variables;
mod workers;

pub use clock::RegionClock;
pub use recordings::Recordings;
pub use runner::CallRunner;
pub use workers::{Ports, StartError, Workers, WorkersConfig};
