//! The leg against a server of our own making: first without sockets and in virtual time, then
//! whole, over a WebSocket and UDP on loopback. The real servers are in `tests/servers`.
#![expect(clippy::cast_possible_truncation, reason = "tests")]

mod agent;
mod leg;
mod peer;
mod server;
mod sfu;
