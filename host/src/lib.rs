//! Runs `spin.toml` on wasmtime where Spin is not installed.
//!
//! The same components, built with the Spin SDK, run on Spin and here; what a guest can observe
//! (routes, request headers, parameter types, error variants) follows Spin 4.1. This host is
//! stricter where that protects neighbours: one request per instance at a time, time and memory
//! limits on every instance, and a transaction left open is rolled back.
//!
//! It knows nothing of calls, leads or any other matter of the product: a component is a path in
//! a manifest and a list of imports.
//!
//! To offer guests another interface, put its WIT under `wit/deps`, add a folder to
//! [`capabilities`] with a port, a client, a binding and tests, and link it in its `link`.

mod app;
pub mod capabilities;
mod engine;
mod instance;
pub mod manifest;
mod options;
pub mod routes;
mod run;
mod server;

pub use app::{App, LoadError};
pub use engine::EngineError;
pub use options::Options;
pub use run::run;
pub use server::{ServerLimits, serve};
