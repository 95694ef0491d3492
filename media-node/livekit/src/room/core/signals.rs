//! What is said on the signalling socket, in LiveKit's order: the track is announced, then
//! offered; the server's offers are answered; the person's voice is asked for.

use super::Core;
use crate::room::peer::Target;
use livekit_protocol::leave_request::Action;
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_request::Message as ToServer;
use livekit_protocol::signal_response::Message as FromServer;
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, DisconnectReason, LeaveRequest, ParticipantTracks,
    SessionDescription, SignalTarget, TrackSource, TrackType, TrickleRequest, UpdateSubscription,
};
use std::time::Instant;

/// The name of our track until the server gives it one.
const TRACK: &str = "agent-voice";

impl Core {
    /// Takes a message of the server.
    pub(in crate::room) fn message(&mut self, message: FromServer, now: Instant) {
        match message {
            FromServer::Offer(offer) => self.offered(&offer, now),
            FromServer::Answer(answer) => {
                let taken = self.peer.take_answer(&answer.sdp, now);
                self.check(taken, now);
                self.negotiate(now);
            }
            FromServer::Trickle(trickle) => self.trickled(&trickle, now),
            FromServer::Update(update) => self.progress.participants(&update.participants, now),
            FromServer::TrackSubscribed(_) => self.progress.heard(),
            FromServer::Leave(leave) => self.told_to_leave(&leave, now),
            FromServer::SubscriptionResponse(response) => {
                // Asking again would be answered the same. The track may have gone meanwhile.
                tracing::warn!(error = response.err, "LiveKit refuses us the person's voice");
            }
            FromServer::RequestResponse(response) => {
                let is_ours = matches!(response.request, Some(Request::AddTrack(_)));
                if is_ours && !matches!(response.reason(), Reason::Ok | Reason::Queued) {
                    self.progress
                        .lost(&format!("LiveKit refuses our voice: {}", response.reason().as_str_name()));
                }
            }
            // The client itself answers pings and keeps tokens; the rest is for screens.
            _ => {}
        }
        self.settle(now);
    }

    fn offered(&mut self, offer: &SessionDescription, now: Instant) {
        match self.peer.take_offer(&offer.sdp, now) {
            Ok(sdp) => self.send(ToServer::Answer(description("answer", sdp, offer.id))),
            Err(error) => self.check(Err(error), now),
        }
    }

    fn trickled(&mut self, trickle: &TrickleRequest, now: Instant) {
        let target = match trickle.target() {
            SignalTarget::Publisher => Target::Publisher,
            SignalTarget::Subscriber => Target::Subscriber,
        };
        let taken = self.peer.take_candidate(target, &trickle.candidate_init, now);
        self.check(taken, now);
    }

    fn told_to_leave(&mut self, leave: &LeaveRequest, now: Instant) {
        tracing::debug!(
            reason = leave.reason().as_str_name(),
            action = leave.action().as_str_name(),
            "told to leave"
        );
        match leave.action() {
            // Our own new session ends the old one, and the old socket hears of it first.
            Action::Disconnect
                if leave.reason() == DisconnectReason::DuplicateIdentity && self.recovery.is_rejoining() => {}
            Action::Disconnect => self.progress.lost(&format!("LiveKit: {}", leave.reason().as_str_name())),
            Action::Resume => self.recovery.asked_to_resume(now),
            Action::Reconnect => self.recovery.asked_to_rejoin(now),
        }
    }

    pub(super) fn publish(&mut self) {
        self.send(ToServer::AddTrack(AddTrackRequest {
            cid: TRACK.to_owned(),
            name: TRACK.to_owned(),
            r#type: TrackType::Audio.into(),
            source: TrackSource::Microphone.into(),
            disable_red: true,
            audio_features: vec![AudioTrackFeature::TfNoDtx.into()],
            ..AddTrackRequest::default()
        }));
        self.peer.publish(TRACK);
    }

    pub(super) fn negotiate(&mut self, now: Instant) {
        match self.peer.offer() {
            Ok(Some(sdp)) => {
                self.offers += 1;
                self.send(ToServer::Offer(description("offer", sdp, self.offers)));
            }
            Ok(None) => {}
            Err(error) => self.check(Err(error), now),
        }
    }

    /// Asks for the person's voice, and for nobody else's.
    pub(super) fn subscribe(&mut self) {
        let (sid, tracks) = self.progress.tracks();
        let wanted: Vec<String> =
            tracks.iter().filter(|track| !self.subscribed.contains(*track)).cloned().collect();
        if wanted.is_empty() {
            return;
        }
        let of_person = ParticipantTracks { participant_sid: sid.to_owned(), track_sids: wanted.clone() };
        self.send(ToServer::Subscription(UpdateSubscription {
            track_sids: wanted.clone(),
            subscribe: true,
            participant_tracks: vec![of_person],
        }));
        self.subscribed.extend(wanted);
    }
}

fn description(kind: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription { r#type: kind.to_owned(), sdp, id, ..SessionDescription::default() }
}
