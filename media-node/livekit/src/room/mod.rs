//! The agent's side of a room: signalling, peer connections, Opus, and the leg made of them.
//!
//! Everything that decides is a machine without IO: `core` puts together `peer` (the two peer
//! connections), `progress` (what the room tells about the call), `recovery` (what to do when the
//! way to the server is lost), `keys` and `audio`. Around it lie `signalling`, the sockets and one
//! `task` for each leg.
//!
//! Our two peer connections are LiveKit's protocol up to version 16: the newer one with a single
//! connection has the server ask for offers without a change, which str0m cannot make.

mod audio;
mod core;
mod entry;
mod keys;
mod leg;
mod peer;
mod progress;
mod recovery;
mod rooms;
mod shared;
mod signalling;
mod socket;
mod task;
#[cfg(test)]
mod tests;
mod vigil;
mod visit;

use self::core::Core;
use crate::control::SipControl;
use entry::{Entry, enter};
use livekit_protocol::ParticipantInfo;
use livekit_protocol::participant_info::Kind;
use peer::Peer;
use progress::Progress;
use shared::Shared;
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_model::Direction;
use task::Task;
use tokio::sync::mpsc;
use visit::Visits;

pub use leg::RoomLeg;
pub use rooms::Rooms;

/// What a leg in a room needs to know.
#[derive(Clone)]
pub struct RoomLegConfig {
    /// `ws://…` or `wss://…` of `livekit-server`.
    pub url: String,
    /// Lets its bearer into the room, with the right to publish, to subscribe and to send data.
    pub token: String,
    /// The room's name.
    pub room: String,
    /// The identity of the person's SIP participant in the room.
    pub sip_identity: String,
    /// Who calls whom.
    pub direction: Direction,
    /// After so much ringing, and some seconds more, the leg gives up by itself.
    pub max_ring: Duration,
}

/// The room could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection to the server, or it refused the token.
    #[error("the room cannot be entered: {0}")]
    Signalling(String),
    /// Another agent came first, and keeps the call.
    #[error("another agent has the call")]
    Taken,
    /// No socket for media.
    #[error("no media socket: {0}")]
    Socket(#[from] std::io::Error),
}

/// Enters the room; an outbound call is placed at once. The leg frees the room when it has ended,
/// is dropped, or `rooms` close.
///
/// # Errors
/// If the room cannot be entered, or an inbound call has an agent already; the room is left as it
/// was.
pub async fn open(
    config: RoomLegConfig,
    control: Arc<dyn SipControl>,
    rooms: &Rooms,
) -> Result<RoomLeg, OpenError> {
    let voice = shared::new_voice();
    let Entry { signalling, join, peer, sockets } = enter(&config.url, &config.token).await?;
    if config.direction == Direction::Inbound && join.other_participants.iter().any(is_agent) {
        control.yield_room();
        signalling.leave();
        return Err(OpenError::Taken);
    }
    let now = Instant::now();
    let progress = Progress::new(config.direction, config.sip_identity.clone(), config.max_ring, now);
    let core = Core::enter(config.sip_identity.clone(), progress, peer, &join, now);
    let shared = Arc::new(Shared::new(core, sockets, now));
    let (commands_in, commands) = mpsc::unbounded_channel();
    let (events, events_out) = mpsc::unbounded_channel();
    let (room, place) = (config.room.clone(), config.direction == Direction::Outbound);
    let task = Task {
        config,
        control: Arc::clone(&control),
        shared: Arc::clone(&shared),
        signalling,
        commands,
        events,
        rooms: rooms.clone(),
        dropped: false,
        cut: false,
    };
    rooms.spawn(task.run(place));
    let visits = Visits::default();
    Ok(RoomLeg {
        room,
        control,
        shared,
        voice,
        visits,
        commands: commands_in,
        events: events_out,
        ended: false,
    })
}

/// LiveKit lets agents in one by one: of two who were asked to the same caller, exactly one finds
/// the other there.
fn is_agent(participant: &ParticipantInfo) -> bool {
    participant.kind == i32::from(Kind::Agent)
}

/// Does what the first call of a process would otherwise wait for: cryptography and the codec's
/// tables take 40 to 90 ms to set up.
pub fn warm_up() {
    let nowhere = ([127, 0, 0, 1], 9).into();
    // What comes of it does not matter: a call that fails says why.
    drop(Peer::new(nowhere, nowhere, Instant::now()));
    drop(shared::new_voice());
}
