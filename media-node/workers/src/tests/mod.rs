//! The workers against a real Postgres and a real Redis, with a carrier and sessions that do as
//! the test says.

mod artifacts;
mod clock;
mod courier;
mod courier_batches;
mod deleted_endpoint;
mod dialing;
mod fairness;
mod fencing;
mod inbound;
mod janitor;
mod journal;
mod money;
mod outages;
mod stand_ins;
mod stream;
mod support;
mod traces;
mod unsteady;
mod upkeep;
mod workers;
