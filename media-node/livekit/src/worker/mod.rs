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
use proto::WorkerStatus;
use proto::server_message::Message as FromServer;
use proto::worker_message::Message as ToServer;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
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
/// Workers that say they are full are not asked, and if all do, nobody is.
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
    /// Cancelled when other nodes are to take who calls from then on.
    pub(crate) refusing: CancellationToken,
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
        let mut refuses = false;
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
                    send(&mut out, self.standing()).await?;
                }
                // The next beat would be late.
                () = self.refusing.cancelled(), if !refuses => {
                    refuses = true;
                    send(&mut out, self.standing()).await?;
                }
                // The sender lives as long as the telephony that owns this task.
                Some(job) = self.ended.recv() => send(&mut out, wire::finished(job)).await?,
            }
        }
    }

    fn standing(&self) -> ToServer {
        let (load, jobs) = (self.legs.load().min(MOST_LOAD), self.legs.count());
        let refuses = self.refusing.is_cancelled();
        wire::standing(if refuses { WorkerStatus::WsFull } else { WorkerStatus::WsAvailable }, load, jobs)
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
        if self.refusing.is_cancelled() {
            return wire::full(job.id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LiveKitConfig;
    use talkif_model::Region;

    fn worker() -> Worker {
        let api = Api::new(&LiveKitConfig {
            url: "ws://127.0.0.1:9".to_owned(),
            api_key: "key".to_owned(),
            api_secret: "a secret of no server".to_owned(),
            region: Region::EuWest,
            slots: 5,
            allow: Vec::new(),
            numbers: None,
        });
        Worker {
            api: Arc::new(api),
            legs: Legs::new(5),
            assignments: mpsc::channel(1).0,
            ended: mpsc::unbounded_channel().1,
            registered: watch::channel(true).0,
            refusing: CancellationToken::new(),
        }
    }

    /// What the worker says to a caller in this room.
    fn asked(worker: &Worker, desk: &mut Desk, room: &str) -> proto::AvailabilityResponse {
        let caller = proto::ParticipantInfo {
            identity: "sip_1".to_owned(),
            kind: proto::participant_info::Kind::Sip.into(),
            ..proto::ParticipantInfo::default()
        };
        let job = proto::Job {
            id: format!("AJ_{room}"),
            room: Some(proto::Room { name: room.to_owned(), ..proto::Room::default() }),
            participant: Some(caller),
            ..proto::Job::default()
        };
        let question = proto::AvailabilityRequest { job: Some(job), ..proto::AvailabilityRequest::default() };
        match worker.on_message(FromServer::Availability(question), desk) {
            Some(ToServer::Availability(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn status(worker: &Worker) -> Option<i32> {
        match worker.standing() {
            ToServer::UpdateWorker(standing) => standing.status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_node_that_refuses_new_calls_leaves_them_to_others_and_takes_what_it_has_accepted() {
        let (worker, mut desk) = (worker(), Desk::default());
        assert!(asked(&worker, &mut desk, "before").available);
        assert_eq!(status(&worker), Some(WorkerStatus::WsAvailable.into()));
        worker.refusing.cancel();
        let answer = asked(&worker, &mut desk, "after");
        assert!(!answer.available, "another node may have a slot");
        assert!(!answer.terminate, "so the next one is to be asked");
        assert_eq!(status(&worker), Some(WorkerStatus::WsFull.into()), "and this one no more");
        assert_eq!((desk.offered.len(), worker.legs.count()), (1, 1), "no slot is kept for it");
    }
}
