//! The node as an agent worker: LiveKit tells it about people who came in by telephone, and it
//! takes those for whom it has a slot.
//!
//! One task holds one socket to `/agent`. It registers, answers each question about a job at
//! once, hands accepted jobs on, and comes back with growing pauses when the socket is lost. Legs
//! have sockets of their own: they do not notice.

mod wire;

use crate::api::Api;
use crate::legs::{Legs, Seat};
use futures::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use proto::server_message::Message as FromServer;
use proto::worker_message::Message as ToServer;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use wire::{Caller, Socket};

/// Between two looks at the load, which also keep the socket alive.
const BEAT: Duration = Duration::from_secs(2);
/// Nothing heard for so long, in spite of our beats: the socket is dead.
const DEAF: Duration = Duration::from_secs(10);
/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An accepted job is assigned in milliseconds or never.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(15);
/// Workers that say they are full are not asked, and then nobody is.
const MOST_LOAD: f32 = 0.98;

/// A caller who is ours to answer.
pub(crate) struct Assignment {
    pub(crate) job: String,
    pub(crate) room: String,
    /// The caller's identity in the room.
    pub(crate) identity: String,
    /// As the carrier sent them.
    pub(crate) from: String,
    pub(crate) to: String,
    /// Lets our agent into the room.
    pub(crate) token: String,
    pub(crate) seat: Seat,
}

/// What a worker needs.
pub(crate) struct Worker {
    pub(crate) api: Arc<Api>,
    pub(crate) legs: Legs,
    pub(crate) assignments: mpsc::Sender<Assignment>,
    /// Jobs that have ended, for LiveKit's books.
    pub(crate) ended: mpsc::UnboundedReceiver<String>,
    /// Whether we are registered at present.
    pub(crate) registered: watch::Sender<bool>,
}

impl Worker {
    /// Never returns: the task is aborted when the node stops.
    pub(crate) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            match self.serve().await {
                Ok(()) => tracing::info!("LiveKit closed the worker's socket"),
                Err(error) => tracing::warn!(%error, "no worker of LiveKit at present"),
            }
            self.registered.send_replace(false);
            if begun.elapsed() > DEAF {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn serve(&mut self) -> Result<(), wire::WireError> {
        let socket = wire::connect(&self.api).await?;
        let (mut out, mut incoming) = socket.split();
        send(&mut out, wire::register(self.api.names.agent())).await?;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut desk = Desk::default();
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = incoming.next() => {
                    let Some(message) = message else { return Ok(()) };
                    heard = Instant::now();
                    match message? {
                        Message::Binary(bytes) => {
                            let message = wire::decode(&bytes)?;
                            if let Some(reply) = self.on_message(message, &mut desk) {
                                send(&mut out, reply).await?;
                            }
                        }
                        Message::Close(_) => return Ok(()),
                        // Pings are answered by the library.
                        _ => {}
                    }
                }
                _ = beat.tick() => {
                    if heard.elapsed() > DEAF {
                        return Err(wire::WireError::Deaf);
                    }
                    desk.forget_unassigned();
                    send(&mut out, wire::ping()).await?;
                    let load = self.legs.load().min(MOST_LOAD);
                    send(&mut out, wire::load(load, self.legs.count())).await?;
                }
                // The sender lives as long as the telephony that owns this task.
                Some(job) = self.ended.recv() => send(&mut out, wire::finished(job)).await?,
            }
        }
    }

    fn on_message(&self, message: FromServer, desk: &mut Desk) -> Option<ToServer> {
        match message {
            FromServer::Register(_) => {
                tracing::info!("registered with LiveKit");
                self.registered.send_replace(true);
                None
            }
            FromServer::Availability(question) => Some(self.consider(question.job?, desk)),
            FromServer::Assignment(assignment) => {
                self.take(assignment, desk);
                None
            }
            // Our legs end by themselves, and tell.
            _ => None,
        }
    }

    /// Only a caller by telephone is somebody to answer, and only one of each room: those who
    /// join later are guests in it.
    fn consider(&self, job: proto::Job, desk: &mut Desk) -> ToServer {
        let Some(caller) = Caller::of(&job) else { return wire::nobody(job.id) };
        if self.legs.contains(&caller.room) {
            return wire::nobody(job.id);
        }
        let Some(seat) = self.legs.try_enter(&caller.room) else { return wire::full(job.id) };
        desk.offered.insert(job.id.clone(), Offer { caller, seat, since: Instant::now() });
        wire::accept(job.id)
    }

    fn take(&self, assignment: proto::JobAssignment, desk: &mut Desk) {
        let job = assignment.job.map(|job| job.id).unwrap_or_default();
        let Some(Offer { caller, seat, .. }) = desk.offered.remove(&job) else { return };
        let Caller { room, identity, from, to } = caller;
        let assignment = Assignment { job, room, identity, from, to, token: assignment.token, seat };
        // Full means that the node has not looked for a long time; then the caller rings on until
        // the sweep refuses the call.
        if self.assignments.try_send(assignment).is_err() {
            tracing::warn!("a call came in that nobody waits for");
        }
    }
}

/// Jobs that we have said yes to and that are not ours yet.
#[derive(Default)]
struct Desk {
    offered: HashMap<String, Offer>,
}

struct Offer {
    caller: Caller,
    seat: Seat,
    since: Instant,
}

impl Desk {
    fn forget_unassigned(&mut self) {
        self.offered.retain(|_, offer| offer.since.elapsed() < ASSIGNED_WITHIN);
    }
}

type Out = futures::stream::SplitSink<Socket, Message>;

async fn send(out: &mut Out, message: ToServer) -> Result<(), wire::WireError> {
    Ok(out.send(Message::Binary(wire::encode(message))).await?)
}
