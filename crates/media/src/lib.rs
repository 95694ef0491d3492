//! Telephone audio without IO: G.711, RTP, telephone-events, the jitter buffer, loss
//! concealment, voice activity, SDP, call quality.
//!
//! Nothing here opens a socket, reads a clock or needs a runtime: bytes and the present time go
//! in, samples and bytes come out. Times are microseconds from any fixed point. Samples are
//! `i16`, mono unless a name says otherwise. Whatever a network may send is parsed without
//! panicking; the tests throw random bytes at every parser.
//!
//! This crate does not know SIP, calls, accounts or vendors.
//!
//! To add a codec: a module beside [`g711`], a variant where [`sdp`] lists the codecs it offers,
//! and its samples per packet in the leg that uses it.

pub mod fade;
pub mod g711;
pub mod jitter;
pub mod plc;
pub mod quality;
pub mod resample;
pub mod rtp;
pub mod sdp;
pub mod telephone_event;
pub mod vad;
pub mod wav;

/// Samples per second on a telephone line.
pub const TELEPHONE_RATE: u32 = 8_000;

/// Samples of one 20 ms frame on a telephone line.
pub const TELEPHONE_FRAME: usize = 160;
