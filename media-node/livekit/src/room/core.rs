//! The agent in the room, without IO: signalling, connections, audio and the call's progress in
//! one machine. Messages, datagrams, commands and the time go in; [`Request`]s and datagrams come
//! out.

mod signals;

use super::audio::{Listening, Spoken};
use super::keys;
use super::peer::{Datagram, Peer, PeerError, PeerEvent, Target};
use super::progress::{Progress, Step};
use super::recovery::{Path, Recovery, Refusal, Remedy};
use super::vigil::{Finding, Vigil};
use crate::control::PlaceError;
use livekit_protocol::signal_request::Message as ToServer;
use livekit_protocol::{JoinResponse, ReconnectReason};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use talkif_telephony::{LegEvent, LegQuality, Received};

/// What the world has to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Request {
    /// Send on the signalling socket.
    Send(Box<ToServer>),
    /// Tell the leg's user.
    Report(LegEvent),
    /// Remove the person.
    Remove,
    /// Open the signalling socket again.
    Resume(ReconnectReason),
    /// Tell the signalling client that the resumed session is whole.
    Confirm,
    /// Enter the room anew, with new connections.
    Rejoin,
    /// It is over.
    Over,
}

/// One agent in one room.
pub(super) struct Core {
    started: Instant,
    identity: String,
    own_sid: String,
    peer: Peer,
    progress: Progress,
    recovery: Recovery,
    listening: Listening,
    subscribed: HashSet<String>,
    restart_publisher: bool,
    offers: u32,
    keys_out: keys::Outgoing,
    keys_in: keys::Incoming,
    vigil: Vigil,
    requests: VecDeque<Request>,
}

impl Core {
    /// The room was entered for the first time.
    pub(super) fn enter(
        identity: String,
        progress: Progress,
        peer: Peer,
        join: &JoinResponse,
        now: Instant,
    ) -> Self {
        let mut core = Self {
            started: now,
            identity,
            own_sid: own_sid(join),
            peer,
            progress,
            recovery: Recovery::new(now),
            listening: Listening::default(),
            subscribed: HashSet::new(),
            restart_publisher: false,
            offers: 0,
            keys_out: keys::Outgoing::default(),
            keys_in: keys::Incoming::default(),
            vigil: Vigil::default(),
            requests: VecDeque::new(),
        };
        core.progress.entered(&join.other_participants, now);
        core.begin(now);
        core
    }

    /// The room was entered anew.
    pub(super) fn reenter(&mut self, peer: Peer, join: &JoinResponse, now: Instant) {
        self.own_sid = own_sid(join);
        self.peer = peer;
        self.subscribed.clear();
        self.recovery.attempted(Ok(()), now);
        self.vigil.begin_anew(now);
        self.progress.census(&join.other_participants, now);
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        if self.progress.is_published() {
            self.publish();
        }
        self.negotiate(now);
        self.settle(now);
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// The next datagram to send.
    pub(super) fn poll_datagram(&mut self) -> Option<Datagram> {
        self.peer.poll_datagram()
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Instant {
        let recovery = self.recovery.deadline(self.path()).filter(|_| !self.progress.is_over());
        let vigil = self.vigil.deadline().filter(|_| self.progress.is_connected());
        let deadlines = [self.progress.deadline(), recovery, vigil];
        deadlines.into_iter().flatten().fold(self.peer.deadline(), Instant::min)
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant) {
        let ticked = self.peer.tick(now);
        self.check(ticked, now);
        self.progress.tick(now);
        self.settle(now);
    }

    /// Takes a datagram that came to the socket of `target`.
    pub(super) fn datagram(&mut self, target: Target, from: SocketAddr, contents: &[u8], now: Instant) {
        let received = self.peer.receive(target, from, contents, now);
        self.check(received, now);
        self.settle(now);
    }

    /// The signalling socket was lost.
    pub(super) fn socket_lost(&mut self, now: Instant) {
        self.recovery.socket_lost(now);
        self.settle(now);
    }

    /// An attempt to resume ended, or one to enter anew failed.
    pub(super) fn attempted(&mut self, result: Result<(), Refusal>, now: Instant) {
        self.recovery.attempted(result, now);
        if result.is_ok() {
            self.resumed(now);
        }
        self.settle(now);
    }

    /// The server looks for a new path on its connection by itself; on ours it is up to us. An
    /// offer that went down with the old socket is never answered, so all begins anew.
    fn resumed(&mut self, now: Instant) {
        if self.peer.is_negotiating() {
            self.recovery.broken(now);
        } else if std::mem::take(&mut self.restart_publisher) {
            self.peer.restart();
            self.negotiate(now);
        }
    }

    /// The request to place the call was answered.
    pub(super) fn placed(&mut self, result: Result<(), PlaceError>, now: Instant) {
        self.progress.placed(result, now);
        self.settle(now);
    }

    /// The person was removed, as asked.
    pub(super) fn removed(&mut self, now: Instant) {
        self.progress.removed();
        self.settle(now);
    }

    /// Answers an inbound call; false if it does not wait for that.
    pub(super) fn answer(&mut self, now: Instant) -> bool {
        let answers = self.progress.answer(now);
        self.settle(now);
        answers
    }

    /// Refuses an inbound call; false if it does not wait for that.
    pub(super) fn reject(&mut self, now: Instant) -> bool {
        let rejects = self.progress.reject(now);
        self.settle(now);
        rejects
    }

    /// Ends the call.
    pub(super) fn hang_up(&mut self, now: Instant) {
        self.progress.hang_up(now);
        self.settle(now);
    }

    /// Sends keys.
    pub(super) fn send_keys(&mut self, keys: &str, now: Instant) {
        let left_out = self.keys_out.push(keys);
        if left_out > 0 {
            tracing::debug!(left_out, "some keys could not be queued");
        }
        self.settle(now);
    }

    /// Sends a packet of our voice.
    pub(super) fn speak(&mut self, spoken: Spoken<'_>, now: Instant) {
        if let Err(error) = self.peer.speak(spoken, now) {
            self.check(Err(error), now);
            self.settle(now);
        }
    }

    /// Fills the next 20 ms of the caller's voice.
    pub(super) fn receive(&mut self, frame: &mut [i16], now: Instant) -> Received {
        let now_us = self.now_us(now);
        self.listening.receive(frame, now_us)
    }

    /// Quality of the receiving side so far.
    pub(super) fn quality(&self) -> LegQuality {
        self.listening.quality()
    }

    /// The person's attributes.
    pub(super) const fn attributes(&self) -> &BTreeMap<String, String> {
        self.progress.attributes()
    }

    /// Follows up on whatever has changed.
    fn settle(&mut self, now: Instant) {
        self.heed_peer(now);
        self.send_waiting_keys(now);
        self.subscribe();
        self.recover(now);
        self.watch(now);
        while let Some(step) = self.progress.poll() {
            self.take(step, now);
        }
    }

    fn take(&mut self, step: Step, now: Instant) {
        match step {
            Step::Report(event) => self.requests.push_back(Request::Report(event)),
            Step::Publish => {
                self.publish();
                self.negotiate(now);
            }
            Step::Remove => self.requests.push_back(Request::Remove),
            Step::Over => self.requests.push_back(Request::Over),
        }
    }

    fn heed_peer(&mut self, now: Instant) {
        while let Some(event) = self.peer.poll_event() {
            match event {
                PeerEvent::Audio(packet) => {
                    let now_us = self.now_us(now);
                    self.listening.packet(&packet, now_us);
                    self.vigil.heard(now);
                }
                PeerEvent::Data(message) => {
                    self.vigil.message(&message, &self.identity, now);
                    if let Some(key) = self.keys_in.take(&message, &self.identity) {
                        self.requests.push_back(Request::Report(LegEvent::Dtmf(key)));
                    }
                }
                PeerEvent::Closed => self.recovery.broken(now),
            }
        }
    }

    fn send_waiting_keys(&mut self, now: Instant) {
        while self.peer.can_send_data() {
            let Some(message) = self.keys_out.pop(&self.own_sid, &self.identity) else { return };
            let sent = self.peer.send_data(&message);
            self.check(sent.map(|_| ()), now);
        }
    }

    fn recover(&mut self, now: Instant) {
        if self.progress.is_over() {
            return;
        }
        match self.recovery.tick(self.path(), now) {
            None => {}
            Some(Remedy::Resume(reason)) => {
                tracing::info!(reason = reason.as_str_name(), "resuming the session in the room");
                self.restart_publisher = reason != ReconnectReason::RrSignalDisconnected;
                self.requests.push_back(Request::Resume(reason));
            }
            Some(Remedy::Confirm) => self.requests.push_back(Request::Confirm),
            Some(Remedy::Rejoin) => self.requests.push_back(Request::Rejoin),
            Some(Remedy::GiveUp) => self.progress.lost("LiveKit cannot be reached"),
        }
    }

    /// Looks after a person of whom nothing is heard.
    fn watch(&mut self, now: Instant) {
        if !self.progress.is_connected() {
            return;
        }
        let (server, can_ask) = (self.peer.last_heard(), self.peer.can_send_lossy());
        match self.vigil.tick(&self.identity, server, can_ask, now) {
            Some(Finding::Ask(question)) => {
                let sent = self.peer.send_lossy(&question);
                if !matches!(sent, Ok(true)) {
                    self.vigil.begin_anew(now);
                }
                self.check(sent.map(drop), now);
            }
            Some(Finding::Gone) => {
                tracing::info!("nobody is at the other end any more, and nobody said so");
                self.progress.vanished();
            }
            None => {}
        }
    }

    fn path(&self) -> Path {
        Path { connected: self.peer.is_connected(), heard: self.peer.last_heard() }
    }

    fn check(&mut self, result: Result<(), PeerError>, now: Instant) {
        if let Err(error) = result {
            tracing::warn!(%error, "a peer connection failed");
            self.recovery.broken(now);
        }
    }

    fn send(&mut self, message: ToServer) {
        self.requests.push_back(Request::Send(Box::new(message)));
    }

    fn now_us(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }
}

fn own_sid(join: &JoinResponse) -> String {
    join.participant.as_ref().map(|own| own.sid.clone()).unwrap_or_default()
}
