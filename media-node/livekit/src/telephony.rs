//! Placing and taking calls through LiveKit.

use crate::LiveKitConfig;
use crate::api::Api;
use crate::call::{Call, Dialled, WayOut};
use crate::control::SipControl as _;
use crate::ghosts::Ghosts;
use crate::job::Job;
use crate::legs::Legs;
use crate::names::CALLEE;
use crate::numbers::Numbers;
use crate::room::{self, RoomLegConfig, Rooms};
use crate::sweep::Sweep;
use crate::trunks::Trunks;
use crate::webhook::{WebhookCounts, Webhooks};
use crate::worker::{Assignment, Worker};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::Direction;
use talkif_telephony::{CallLeg, DialError, DialRequest, IncomingCall, Telephony};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Callers that may wait for the node to look at them.
const WAITING: usize = 64;
/// An inbound call has been ringing for a while when its leg is made, and LiveKit ends it after
/// 30 s.
const INBOUND_RING: Duration = Duration::from_secs(30);

/// Calls through `livekit-server` and `livekit-sip`. End it with [`Self::close`]; dropping it only
/// ends the listening, and calls in progress go on with their legs.
pub struct LiveKitTelephony {
    api: Arc<Api>,
    legs: Legs,
    rooms: Rooms,
    trunks: Arc<Trunks>,
    webhooks: Arc<Webhooks>,
    incoming: Mutex<mpsc::Receiver<IncomingCall>>,
    refusing: CancellationToken,
    stopped: CancellationToken,
    registered: watch::Receiver<bool>,
    open: watch::Receiver<bool>,
    tasks: std::sync::Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl LiveKitTelephony {
    /// Starts to listen for calls. LiveKit may be away: it is tried until it is there.
    #[must_use]
    pub fn start(config: LiveKitConfig) -> Self {
        tokio::task::spawn_blocking(room::warm_up);
        let api = Arc::new(Api::new(&config));
        let (legs, trunks) = (Legs::new(config.slots), Arc::new(Trunks::new(Arc::clone(&api))));
        let (assignments, assigned) = mpsc::channel(WAITING);
        let (calls, incoming) = mpsc::channel(WAITING);
        let (jobs, ended) = mpsc::unbounded_channel();
        let (registered, is_registered) = watch::channel(false);
        let (open, is_open) = watch::channel(false);
        let refusing = CancellationToken::new();
        let worker = Worker {
            api: Arc::clone(&api),
            legs: legs.clone(),
            assignments,
            ended,
            registered,
            refusing: refusing.clone(),
        };
        let wake = Arc::new(Notify::new());
        let webhooks = Arc::new(Webhooks::new(&config, legs.clone(), Arc::clone(&wake)));
        let rooms = Rooms::default();
        let reception = Reception {
            api: Arc::clone(&api),
            rooms: rooms.clone(),
            calls,
            jobs,
            trunks: Arc::clone(&trunks),
            numbers: config.numbers.clone(),
        };
        let sweep = Sweep {
            api: Arc::clone(&api),
            legs: legs.clone(),
            ghosts: Ghosts::new(Arc::clone(&api)),
            trunks: Arc::clone(&trunks),
            allow: config.allow,
            numbers: config.numbers,
            wake,
            open,
        };
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(worker.run())),
            AbortOnDropHandle::new(tokio::spawn(sweep.run())),
            AbortOnDropHandle::new(tokio::spawn(reception.run(assigned))),
        ];
        Self {
            api,
            legs,
            rooms,
            trunks,
            webhooks,
            incoming: Mutex::new(incoming),
            refusing,
            stopped: CancellationToken::new(),
            registered: is_registered,
            open: is_open,
            tasks: std::sync::Mutex::new(tasks),
        }
    }

    /// Returns when calls can come in. Outbound calls need not wait for it.
    pub async fn ready(&self) {
        for mut state in [self.registered.clone(), self.open.clone()] {
            // The other end goes when the telephony is shut down; then there is nothing to wait for.
            let _ = state.wait_for(|state| *state).await;
        }
    }

    /// Takes what `livekit-server` posts to `/livekit/webhook`. To be served wherever the node
    /// serves HTTP; without it, all works, some of it seconds later.
    pub fn routes(&self) -> axum::Router {
        crate::webhook::routes(Arc::clone(&self.webhooks))
    }

    /// What has come to [`Self::routes`] so far.
    #[must_use]
    pub fn webhooks(&self) -> WebhookCounts {
        self.webhooks.counts()
    }

    /// Legs of this node at present.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.count()
    }

    /// Leaves who calls from now on to other nodes; calls that were accepted still come in.
    pub fn refuse_new(&self) {
        self.refusing.cancel();
    }

    /// Takes no more calls, so that [`Telephony::next_call`] returns `None`, hangs up those that
    /// are there, and returns when their rooms are free, after 6 s at the latest.
    pub async fn close(&self) {
        self.shutdown();
        self.rooms.close().await;
    }

    /// Takes no more calls and makes [`Telephony::next_call`] return `None`.
    pub fn shutdown(&self) {
        self.stopped.cancel();
        // Nobody panics while holding the lock.
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }
}

impl Drop for LiveKitTelephony {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[async_trait]
impl Telephony for LiveKitTelephony {
    async fn dial(&self, request: DialRequest) -> Result<Box<dyn CallLeg>, DialError> {
        if self.rooms.is_closing() {
            return Err(DialError::Sip("the node stops".to_owned()));
        }
        let room = self.api.names.room(request.call_id);
        tracing::info!(call = %request.call_id, room, "dialling");
        let config = RoomLegConfig {
            url: self.api.url.clone(),
            token: self
                .api
                .agent_token(&room, &format!("agent-{}", request.call_id))
                .map_err(|error| DialError::Sip(error.to_string()))?,
            room: room.clone(),
            sip_identity: CALLEE.to_owned(),
            direction: Direction::Outbound,
            max_ring: request.max_ring,
        };
        let seat = self.legs.enter(&room);
        let dialled = Dialled { request, trunks: Arc::clone(&self.trunks) };
        let call = Call::outbound(Arc::clone(&self.api), room, CALLEE.to_owned(), dialled, seat);
        let leg = room::open(config, Arc::new(call), &self.rooms).await;
        Ok(Box::new(leg.map_err(|error| DialError::Media(error.to_string()))?))
    }

    async fn next_call(&self) -> Option<IncomingCall> {
        let mut incoming = self.incoming.lock().await;
        tokio::select! {
            biased;
            () = self.stopped.cancelled() => None,
            call = incoming.recv() => call,
        }
    }
}

/// Makes legs of assignments.
#[derive(Clone)]
struct Reception {
    api: Arc<Api>,
    rooms: Rooms,
    calls: mpsc::Sender<IncomingCall>,
    jobs: mpsc::UnboundedSender<String>,
    trunks: Arc<Trunks>,
    numbers: Option<Arc<dyn Numbers>>,
}

impl Reception {
    async fn run(self, mut assigned: mpsc::Receiver<Assignment>) {
        while let Some(assignment) = assigned.recv().await {
            self.rooms.spawn(self.clone().receive(assignment));
        }
    }

    async fn receive(self, assignment: Assignment) {
        let Assignment { job, room, identity, from, to, token, seat } = assignment;
        let job = Job::new(job, self.jobs);
        let way_out = WayOut { from: to.parse().ok(), trunks: self.trunks, numbers: self.numbers };
        let api = Arc::clone(&self.api);
        let call = Arc::new(Call::inbound(api, room.clone(), identity.clone(), seat, job, way_out));
        let config = RoomLegConfig {
            url: self.api.url.clone(),
            token,
            room: room.clone(),
            sip_identity: identity,
            direction: Direction::Inbound,
            max_ring: INBOUND_RING,
        };
        let control = Arc::clone(&call) as Arc<dyn crate::control::SipControl>;
        match room::open(config, control, &self.rooms).await {
            Ok(leg) => {
                let incoming = IncomingCall { from, to, leg: Box::new(leg) };
                if self.calls.try_send(incoming).is_err() {
                    tracing::warn!(room, "a call came in that nobody waits for");
                    call.remove().await;
                    call.close().await;
                }
            }
            Err(error) => {
                tracing::warn!(room, %error, "a call cannot be taken");
                call.remove().await;
                call.close().await;
            }
        }
    }
}
