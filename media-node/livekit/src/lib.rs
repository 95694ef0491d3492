//! Calls through LiveKit: `livekit-sip` speaks to the carrier, a room of `livekit-server` carries
//! the audio, and this crate is the agent in that room.
//!
//! [`room`] is the media: signalling socket, peer connections, Opus, and the leg made of them.
//! [`control`] is what a leg asks of LiveKit's API, and `call` answers it. Calls out go by
//! `trunks`, calls in by `entrance` and `worker`; `sweep` ends what a crash left behind, `ghosts`
//! tells it who is listed and gone, `webhook` when to look; `transfer` puts a caller through. All
//! of it together is [`LiveKitTelephony`].
//!
//! Nothing here knows accounts, flows or the database: a call comes in with two numbers, and the
//! node decides.

mod api;
mod call;
mod config;
pub mod control;
mod entrance;
#[cfg(test)]
mod fake;
mod ghosts;
mod guest;
mod job;
mod legs;
mod names;
mod numbers;
mod refer;
mod refusals;
pub mod room;
mod sweep;
mod telephony;
mod transfer;
mod trunks;
mod webhook;
mod worker;

pub use config::LiveKitConfig;
pub use numbers::Numbers;
pub use telephony::LiveKitTelephony;
pub use webhook::WebhookCounts;
