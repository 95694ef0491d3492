//! What Talkif talks about: ids, value types, and the states of calls, leads and flows.
//!
//! This crate does no IO, reads no clock and draws no random numbers. It makes no promise to
//! the network: wire shapes live in `talkif-api`, except for webhook events ([`event`]), which
//! are stored and sent as one and the same JSON.
//!
//! To add an entity, give it an id in [`id`], its states as an enum through
//! [`string_enum!`], and a table in `migrations/region`.

mod call;
pub mod event;
pub mod flow;
pub mod id;
mod outcome;
mod personal;
mod phone;
mod region;
mod scope;
mod string_enum;
mod turn;

pub use call::{CallStatus, Direction, EndReason};
pub use id::{
    AccountId, ApiKeyId, CallId, ContactId, DeliveryId, EndpointId, EventId, FlowId, LeadId, NumberId,
};
pub use outcome::{Booking, Outcome};
pub use personal::Personal;
pub use phone::{E164, NotE164};
pub use region::Region;
pub use scope::{Access, Resource, Scope, Scopes};
pub use string_enum::UnknownValue;
pub use turn::{Speaker, Turn, TurnLatency};
