//! Calls through LiveKit: `livekit-sip` speaks to the carrier, a room of `livekit-server` carries
//! the audio, and this crate is the agent in that room.
//!
//! [`room`] is the media: signalling socket, peer connections, Opus, and the leg made of them.
//! [`control`] is everything that is asked of LiveKit's API about a leg.

pub mod control;
pub mod room;
