//! The task of one leg: performs what the machine asks for, and feeds it what happens.

use super::core::Request;
use super::entry::{Entry, enter};
use super::peer::Target;
use super::recovery::Refusal;
use super::shared::Shared;
use super::signalling::{Incoming, Signalling};
use super::{RoomLegConfig, Rooms};
use crate::control::{PlaceError, SipControl};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use talkif_telephony::{LegError, LegEvent};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// Longest datagram looked at: an Ethernet frame's.
const MAX_DATAGRAM: usize = 1_500;
/// Datagrams taken from a socket at a time.
const BATCH: usize = 16;

/// What the leg's user asks for.
#[derive(Debug)]
pub(super) enum Command {
    Answer(oneshot::Sender<Result<(), LegError>>),
    Reject(oneshot::Sender<Result<(), LegError>>),
    HangUp,
    Keys(String),
}

/// What was started and has come to its end.
enum Done {
    Placed(Result<(), PlaceError>),
    Removed,
    Resumed(Result<(), Refusal>),
    Entered(Result<Box<Entry>, Refusal>),
}

/// One leg's task.
pub(super) struct Task {
    pub(super) config: RoomLegConfig,
    pub(super) control: Arc<dyn SipControl>,
    pub(super) shared: Arc<Shared>,
    pub(super) signalling: Signalling,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) events: mpsc::UnboundedSender<LegEvent>,
    pub(super) rooms: Rooms,
    /// The leg is gone: no more commands come.
    pub(super) dropped: bool,
    /// The node stops, and we have heard of it.
    pub(super) cut: bool,
}

impl Task {
    /// Runs until the call is over and the room is free.
    pub(super) async fn run(mut self, place: bool) {
        let mut jobs = JoinSet::new();
        if place {
            let control = Arc::clone(&self.control);
            jobs.spawn(async move { Done::Placed(control.place().await) });
        }
        let mut removed = false;
        while self.perform(&mut jobs, &mut removed) {
            self.wait(&mut jobs).await;
        }
        if !removed {
            self.control.remove().await;
        }
        self.control.close().await;
        self.signalling.leave();
    }

    /// Performs what is asked for; false when it is over.
    fn perform(&mut self, jobs: &mut JoinSet<Done>, removed: &mut bool) -> bool {
        loop {
            let request = {
                let mut line = self.shared.line();
                line.send_datagrams();
                line.wakes = line.core.deadline();
                self.shared.note_call_id(&line.core);
                line.core.poll()
            };
            let Some(request) = request else { return true };
            match request {
                Request::Send(message) => self.signalling.send(message),
                Request::Report(event) => self.report(event),
                Request::Remove => {
                    *removed = true;
                    let control = Arc::clone(&self.control);
                    jobs.spawn(async move {
                        control.remove().await;
                        Done::Removed
                    });
                }
                Request::Resume(reason) => {
                    let resume = self.signalling.resume(reason);
                    jobs.spawn(async move { Done::Resumed(resume.await) });
                }
                Request::Confirm => self.signalling.confirm(),
                Request::Rejoin => self.rejoin(jobs),
                Request::Over => return false,
            }
        }
    }

    fn report(&self, event: LegEvent) {
        match event {
            LegEvent::Answered => self.shared.talks.store(true, Ordering::Relaxed),
            LegEvent::Ended { .. } => self.shared.talks.store(false, Ordering::Relaxed),
            LegEvent::Ringing | LegEvent::Dtmf(_) => {}
        }
        // A leg that was dropped hears nothing any more.
        let _ = self.events.send(event);
    }

    fn rejoin(&self, jobs: &mut JoinSet<Done>) {
        tracing::info!(room = self.config.room, "entering the room anew");
        let (url, token) = (self.config.url.clone(), self.signalling.token());
        jobs.spawn(async move {
            Done::Entered(enter(&url, &token).await.map(Box::new).map_err(|error| error.refusal()))
        });
    }

    /// Waits for the next thing to happen and feeds it to the machine.
    async fn wait(&mut self, jobs: &mut JoinSet<Done>) {
        let (sockets, wakes) = {
            let line = self.shared.line();
            (line.sockets.clone(), line.wakes)
        };
        let mut datagram = [0; MAX_DATAGRAM];
        tokio::select! {
            biased;
            // A closed queue says so at once and for ever: nothing else would get its turn.
            command = self.commands.recv(), if !self.dropped => {
                self.dropped = command.is_none();
                self.command(command.unwrap_or(Command::HangUp));
            }
            () = self.rooms.closing(), if !self.cut => {
                self.cut = true;
                self.command(Command::HangUp);
            }
            Some(done) = jobs.join_next() => self.done(done),
            incoming = self.signalling.next() => {
                let mut line = self.shared.line();
                match incoming {
                    Incoming::Message(message) => line.core.message(*message, Instant::now()),
                    Incoming::Lost => line.core.socket_lost(Instant::now()),
                }
            }
            ready = sockets.of(Target::Subscriber).readable() => {
                self.receive(Target::Subscriber, sockets.of(Target::Subscriber), ready, &mut datagram);
            }
            ready = sockets.of(Target::Publisher).readable() => {
                self.receive(Target::Publisher, sockets.of(Target::Publisher), ready, &mut datagram);
            }
            () = self.shared.changed.notified() => {}
            () = sleep_until(wakes.into()) => self.shared.line().core.tick(Instant::now()),
        }
    }

    fn receive(&self, target: Target, socket: &UdpSocket, ready: std::io::Result<()>, buffer: &mut [u8]) {
        if ready.is_err() {
            return;
        }
        for _ in 0..BATCH {
            // An error is an ICMP answer to something we sent, or that there is no more.
            let Ok((length, from)) = socket.try_recv_from(buffer) else { return };
            let contents = buffer.get(..length).unwrap_or_default();
            self.shared.line().core.datagram(target, canonical(from), contents, Instant::now());
        }
    }

    fn command(&mut self, command: Command) {
        let now = Instant::now();
        let mut line = self.shared.line();
        match command {
            Command::Answer(reply) => answer(reply, line.core.answer(now)),
            Command::Reject(reply) => answer(reply, line.core.reject(now)),
            Command::HangUp => line.core.hang_up(now),
            Command::Keys(keys) => line.core.send_keys(&keys, now),
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let now = Instant::now();
        let mut line = self.shared.line();
        match done {
            Ok(Done::Placed(result)) => line.core.placed(result, now),
            Ok(Done::Removed) => line.core.removed(now),
            Ok(Done::Resumed(result)) => line.core.attempted(result, now),
            Ok(Done::Entered(Err(refusal))) => line.core.attempted(Err(refusal), now),
            Ok(Done::Entered(Ok(entry))) => {
                let Entry { signalling, join, peer, sockets } = *entry;
                line.core.reenter(peer, &join, now);
                line.sockets = sockets;
                drop(line);
                self.signalling = signalling;
            }
            // A job of ours panicked; what it was to bring is caught by the machine's deadlines.
            Err(error) => tracing::error!(%error, "a job of a leg was lost"),
        }
    }
}

fn answer(reply: oneshot::Sender<Result<(), LegError>>, done: bool) {
    let result = if done { Ok(()) } else { Err(LegError("the call does not wait for an answer".to_owned())) };
    // Nobody waits for the reply of a dropped future.
    let _ = reply.send(result);
}

/// A socket of both families writes IPv4 addresses in its own way.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
