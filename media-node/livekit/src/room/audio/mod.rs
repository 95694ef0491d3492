//! Sound in the room: Opus, the jitter buffer for it, and the packets we send.

mod listening;
mod opus;
mod ordered;
mod speaking;

pub(super) use listening::{Listening, Packet};
pub(super) use opus::{Encoder, FRAME, RATE};
pub(super) use speaking::{Speaking, Spoken};
