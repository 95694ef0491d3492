//! How far the call has come, as the room shows it: a machine without IO.
//!
//! The person is a participant whose attributes tell the state of the SIP call. Outbound, the
//! participant is there before anybody has answered; inbound, it rings until we publish. What
//! LiveKit reports and the answer to our request to place the call come in any order.

mod ending;
#[cfg(test)]
mod tests;

use crate::control::PlaceError;
use ending::{left_unanswered, not_placed};
use livekit_protocol::participant_info::State;
use livekit_protocol::{DisconnectReason, ParticipantInfo, TrackType};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use talkif_call_engine::io::LegEnd;
use talkif_model::Direction;
use talkif_telephony::LegEvent;

/// LiveKit ends the ringing itself; this is for the case that it does not.
const BEYOND_RINGING: Duration = Duration::from_secs(10);
/// From our publishing to the caller's being connected. It takes 80 ms.
const CONNECTING: Duration = Duration::from_secs(15);
/// From the answer to the far end's hearing us. It takes 14 ms; a second person in a room never
/// gets the message, but hears us by then.
const AUDIBLE: Duration = Duration::from_millis(200);
/// A caller is in the room before us, or nearly so.
const APPEARING: Duration = Duration::from_secs(3);
/// The person may leave before we are told why; and after we have asked for the end, it may take
/// so long.
const LAST_WORD: Duration = Duration::from_secs(4);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Tell the leg's user.
    Report(LegEvent),
    /// Publish our voice: this answers an inbound call.
    Publish,
    /// Remove the person from the room: BYE, CANCEL or 486.
    Remove,
    /// The leg is over; leave.
    Over,
}

/// One call.
#[derive(Debug)]
pub(super) struct Progress {
    direction: Direction,
    identity: String,
    person: Person,
    ring_until: Instant,
    stage: Stage,
    heard: bool,
    steps: VecDeque<Step>,
}

/// The participant that stands for the person.
#[derive(Debug, Default)]
struct Person {
    sid: String,
    version: u32,
    attributes: BTreeMap<String, String>,
    tracks: Vec<String>,
    told_ringing: bool,
    /// Why it left.
    left: Option<Departure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Departure {
    HungUp,
    Left(DisconnectReason),
}

#[derive(Debug)]
enum Stage {
    Ringing {
        until: Instant,
    },
    /// Inbound: we publish, and the far end is told.
    Answering {
        until: Instant,
    },
    /// Outbound: the person has left, and the reason is on its way.
    Leaving {
        until: Instant,
    },
    /// Connected; the audio is about to be.
    Connected {
        until: Instant,
    },
    Talking,
    /// We have asked for the end.
    Ending {
        how: LegEnd,
        sip_status: Option<u16>,
        until: Instant,
    },
    Over,
}

impl Progress {
    pub(super) fn new(direction: Direction, identity: String, max_ring: Duration, now: Instant) -> Self {
        let until = now + max_ring + BEYOND_RINGING;
        let (person, steps) = (Person::default(), VecDeque::new());
        let stage = Stage::Ringing { until };
        Self { direction, identity, person, ring_until: until, stage, heard: false, steps }
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// When [`Self::tick`] is due.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Ringing { until }
            | Stage::Answering { until }
            | Stage::Leaving { until }
            | Stage::Connected { until }
            | Stage::Ending { until, .. } => Some(*until),
            Stage::Talking | Stage::Over => None,
        }
    }

    /// The person's attributes: `sip.callID`, `sip.phoneNumber`, `sip.h.…`.
    pub(super) const fn attributes(&self) -> &BTreeMap<String, String> {
        &self.person.attributes
    }

    /// The person's id in this session of the room, and its audio tracks.
    pub(super) fn tracks(&self) -> (&str, &[String]) {
        (&self.person.sid, &self.person.tracks)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether the two sides can hear each other.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Connected { .. } | Stage::Talking)
    }

    /// Whether we have published, or are to.
    pub(super) const fn is_published(&self) -> bool {
        match (&self.stage, self.direction) {
            (Stage::Over, _) => false,
            (_, Direction::Outbound) => true,
            (Stage::Ringing { .. } | Stage::Leaving { .. } | Stage::Ending { .. }, Direction::Inbound) => {
                false
            }
            (Stage::Answering { .. } | Stage::Connected { .. } | Stage::Talking, Direction::Inbound) => true,
        }
    }

    /// The room's participants, or those that changed.
    pub(super) fn participants(&mut self, infos: &[ParticipantInfo], now: Instant) {
        for info in infos {
            let known = !self.person.sid.is_empty() && info.sid == self.person.sid;
            if known || (info.identity == self.identity && info.state() != State::Disconnected) {
                self.participant(info, now);
            }
        }
    }

    /// Who is in the room when it is entered for the first time. A caller who is not there has
    /// probably given up already.
    pub(super) fn entered(&mut self, infos: &[ParticipantInfo], now: Instant) {
        if self.direction == Direction::Inbound {
            self.stage = Stage::Ringing { until: now + APPEARING };
        }
        self.participants(infos, now);
    }

    /// Who is in the room when it is entered again: the person may have left meanwhile.
    pub(super) fn census(&mut self, infos: &[ParticipantInfo], now: Instant) {
        self.participants(infos, now);
        let is_there = infos.iter().any(|info| info.sid == self.person.sid || info.identity == self.identity);
        if !is_there && !self.person.sid.is_empty() && self.person.left.is_none() {
            self.departed(Departure::Left(DisconnectReason::UnknownReason), now);
        }
    }

    fn participant(&mut self, info: &ParticipantInfo, now: Instant) {
        if info.sid == self.person.sid && info.version < self.person.version {
            return;
        }
        if info.state() == State::Disconnected {
            if self.person.left.is_none() {
                self.departed(Departure::Left(info.disconnect_reason()), now);
            }
            return;
        }
        self.person.update(info);
        if let Stage::Ringing { until } = &mut self.stage {
            *until = self.ring_until;
        }
        let status = self.person.attributes.get("sip.callStatus").map(String::as_str);
        match status {
            Some("ringing") => self.ringing(),
            Some("active") => self.connected(now),
            Some("hangup") if self.person.left.is_none() => self.departed(Departure::HungUp, now),
            _ => {}
        }
    }

    fn ringing(&mut self) {
        let rings = matches!(self.stage, Stage::Ringing { .. }) && self.direction == Direction::Outbound;
        if rings && !std::mem::replace(&mut self.person.told_ringing, true) {
            self.steps.push_back(Step::Report(LegEvent::Ringing));
        }
    }

    fn connected(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Ringing { .. } | Stage::Answering { .. }) {
            self.stage = Stage::Connected { until: now + AUDIBLE };
            if self.heard {
                self.talk();
            }
        }
    }

    /// The far end hears our track.
    pub(super) fn heard(&mut self) {
        self.heard = true;
        if matches!(self.stage, Stage::Connected { .. }) {
            self.talk();
        }
    }

    fn talk(&mut self) {
        self.stage = Stage::Talking;
        self.steps.push_back(Step::Report(LegEvent::Answered));
    }

    /// The request to place the call was answered.
    pub(super) fn placed(&mut self, result: Result<(), PlaceError>, now: Instant) {
        match (&self.stage, result) {
            (Stage::Ringing { .. }, Ok(())) => self.connected(now),
            (Stage::Leaving { .. }, Ok(())) => {
                // It was so short that its beginning and its end came at once.
                self.talk();
                self.end(LegEnd::RemoteHangup, None);
            }
            (Stage::Ringing { .. } | Stage::Leaving { .. }, Err(error)) => {
                let (how, sip_status) = not_placed(error);
                self.end(how, sip_status);
            }
            (Stage::Ending { .. }, Err(_)) => self.ended_as_asked(),
            // What the room says is nearer to the truth than a lost answer to a request.
            (Stage::Answering { .. } | Stage::Connected { .. } | Stage::Talking | Stage::Over, _)
            | (Stage::Ending { .. }, Ok(())) => {}
        }
    }

    fn departed(&mut self, why: Departure, now: Instant) {
        self.person.left = Some(why);
        match (&self.stage, self.direction, why) {
            (Stage::Ringing { .. }, Direction::Outbound, _) => {
                self.stage = Stage::Leaving { until: now + LAST_WORD };
            }
            (Stage::Ringing { .. }, Direction::Inbound, _)
            | (Stage::Answering { .. }, _, Departure::HungUp) => self.end(LegEnd::Canceled, None),
            (Stage::Connected { .. } | Stage::Talking, _, Departure::HungUp) => {
                self.end(LegEnd::RemoteHangup, None)
            }
            (
                Stage::Answering { .. } | Stage::Connected { .. } | Stage::Talking,
                _,
                Departure::Left(reason),
            ) => {
                self.end(ending::left_connected(reason), None);
            }
            (Stage::Ending { .. }, ..) => self.ended_as_asked(),
            (Stage::Leaving { .. } | Stage::Over, ..) => {}
        }
    }

    /// Answer the inbound call; false if it does not wait for that.
    pub(super) fn answer(&mut self, now: Instant) -> bool {
        let waits = matches!(self.stage, Stage::Ringing { .. }) && self.direction == Direction::Inbound;
        if waits {
            self.stage = Stage::Answering { until: now + CONNECTING };
            self.steps.push_back(Step::Publish);
        }
        waits
    }

    /// Refuse the inbound call; false if it does not wait for that. LiveKit makes a 486 of every
    /// refusal.
    pub(super) fn reject(&mut self, now: Instant) -> bool {
        let waits = matches!(self.stage, Stage::Ringing { .. }) && self.direction == Direction::Inbound;
        if waits {
            self.ask_to_end(LegEnd::LocalHangup, Some(486), now);
        }
        waits
    }

    /// End the call, whatever its state. Only the first wish counts.
    pub(super) fn hang_up(&mut self, now: Instant) {
        let unanswered = matches!(self.stage, Stage::Ringing { .. } | Stage::Leaving { .. });
        let canceled = unanswered && self.direction == Direction::Outbound;
        self.ask_to_end(if canceled { LegEnd::Canceled } else { LegEnd::LocalHangup }, None, now);
    }

    fn ask_to_end(&mut self, how: LegEnd, sip_status: Option<u16>, now: Instant) {
        match self.stage {
            Stage::Ending { .. } | Stage::Over => {}
            Stage::Leaving { .. } => self.end(how, sip_status),
            Stage::Ringing { .. } | Stage::Answering { .. } | Stage::Connected { .. } | Stage::Talking => {
                self.stage = Stage::Ending { how, sip_status, until: now + LAST_WORD };
                self.steps.push_back(Step::Remove);
            }
        }
    }

    /// The person was removed, as asked.
    pub(super) fn removed(&mut self) {
        if matches!(self.stage, Stage::Ending { .. }) {
            self.ended_as_asked();
        }
    }

    /// The person's side is not there any more, and nobody said so.
    pub(super) fn vanished(&mut self) {
        if self.is_connected() {
            self.end(ending::left_connected(DisconnectReason::UnknownReason), None);
        }
    }

    /// The room, or the way to it, is lost for good.
    pub(super) fn lost(&mut self, detail: &str) {
        match self.stage {
            Stage::Ending { .. } => self.ended_as_asked(),
            Stage::Over => {}
            _ => self.end(LegEnd::Failed { detail: detail.to_owned() }, None),
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.deadline().is_none_or(|until| now < until) {
            return;
        }
        match (&self.stage, self.person.left) {
            (Stage::Ringing { .. }, _)
                if self.person.sid.is_empty() && self.direction == Direction::Inbound =>
            {
                self.end(LegEnd::Canceled, None);
            }
            (Stage::Ringing { .. }, _) => self.end(LegEnd::NoAnswer, None),
            (Stage::Answering { .. }, _) => self.lost("the answered call was not connected"),
            (Stage::Leaving { .. }, Some(Departure::Left(reason))) => self.end(left_unanswered(reason), None),
            (Stage::Leaving { .. }, _) => self.end(LegEnd::NoAnswer, None),
            (Stage::Connected { .. }, _) => self.talk(),
            (Stage::Ending { .. }, _) => self.ended_as_asked(),
            (Stage::Talking | Stage::Over, _) => {}
        }
    }

    fn ended_as_asked(&mut self) {
        if let Stage::Ending { how, sip_status, .. } = std::mem::replace(&mut self.stage, Stage::Over) {
            self.end(how, sip_status);
        }
    }

    fn end(&mut self, how: LegEnd, sip_status: Option<u16>) {
        self.stage = Stage::Over;
        self.steps.push_back(Step::Report(LegEvent::Ended { how, sip_status }));
        self.steps.push_back(Step::Over);
    }
}

impl Person {
    fn update(&mut self, info: &ParticipantInfo) {
        self.sid.clone_from(&info.sid);
        self.version = info.version;
        self.left = None;
        if !info.attributes.is_empty() {
            self.attributes = info.attributes.clone().into_iter().collect();
        }
        let audio = info.tracks.iter().filter(|track| track.r#type() == TrackType::Audio);
        self.tracks = audio.map(|track| track.sid.clone()).collect();
    }
}
