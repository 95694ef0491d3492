//! The workers against a real Postgres and a real Redis, with a carrier and sessions that do as
//! the test says.

mod artifacts;
mod courier;
mod dialing;
mod inbound;
mod janitor;
mod journal;
mod support;
mod workers;
