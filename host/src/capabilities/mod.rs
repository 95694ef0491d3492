//! What guests may ask of the host: one folder each.
//!
//! A folder holds a port (what the binding needs, as a trait), the real client, the binding of
//! the WIT interface to the port, and tests with a fake client. Everything that leaves the
//! machine passes [`OutboundHosts`] first.

pub(crate) mod http;
mod outbound;
pub(crate) mod postgres;
pub(crate) mod redis;
mod tls;
pub(crate) mod variables;

pub use outbound::{HostPatternError, OutboundHosts};

use crate::instance::State;
use wasmtime::component::Linker;

/// Adds every interface to `linker`. A component that imports anything else does not link.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    variables::link(linker)?;
    postgres::link(linker)?;
    redis::link(linker)
}
