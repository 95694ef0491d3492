//! Telephone legs. [`CallLeg`] is the port: 20 ms frames in and out, events, hang-up, transfer.
//! [`direct`] is its SIP leg without `LiveKit`; a `LiveKit` leg fits the same port.
//! [`mod@virtual_leg`] has no network at all, for tests of what sits on a leg. [`pacer`] is the 20 ms
//! clock that drives whatever leg.
//!
//! This crate knows SIP and RTP. It does not know conversations, accounts or databases.
//!
//! To add a kind of leg: a module that implements [`CallLeg`] and [`Telephony`]; nothing above
//! the port changes.

pub mod direct;
pub mod pacer;
mod port;
pub mod virtual_leg;

pub use direct::{DirectConfig, DirectTelephony, InboundDigest, InboundPolicy, StartError};
pub use pacer::{Pacer, Tick};
pub use port::{
    CallLeg, DialError, DialRequest, FRAME, IncomingCall, LegError, LegEvent, LegQuality, Received,
    Rejection, Telephony, Transfer, TransferError, Transferred, Transport, Trunk,
};
pub use virtual_leg::{PhoneEvent, VirtualLeg, VirtualPhone, virtual_leg, virtual_leg_at};
