//! Private Postgres and Redis from system packages, and LiveKit's servers built from source, on
//! loopback, for development and tests.
//!
//! A server lives in one directory, listens on a free port of 127.0.0.1, asks for a random
//! password, writes its log to a file, and ends with our process, however that ends. The crate
//! installs nothing: a missing package is one error that says which.
//!
//! [`supervised`] ties any other process to ours in the same way.
//!
//! To add a server: a module with its `start`, on top of [`supervisor`] and [`system`].
//! Tests want [`testing::region`].

mod error;
mod livekit;
mod postgres;
mod redis;
mod supervisor;
mod system;
pub mod testing;

pub use crate::redis::Redis;
pub use error::EmbeddedError;
pub use livekit::{LiveKit, LiveKitPart};
pub use postgres::{Durability, Postgres};
pub use supervisor::supervised;
