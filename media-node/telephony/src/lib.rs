//! Telephone legs. [`CallLeg`] is the port: 20 ms frames in and out, events, hang-up, transfer.
//! [`direct`] is its SIP leg without LiveKit; a LiveKit leg fits the same port.
//!
//! This crate knows SIP and RTP. It does not know conversations, accounts or databases.

mod port;

pub use port::{CallLeg, DialError, DialRequest, IncomingCall, LegError, LegEvent, LegQuality, Received, Rejection, Telephony, TransferError, Transport, Trunk};
