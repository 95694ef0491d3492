//! Puts right what crashes leave behind in LiveKit.
//!
//! A telephone call outlives its agent: `livekit-sip` keeps the person on the line until somebody
//! ends the room. So every node looks for rooms of the region in which a person is and no agent,
//! and ends those that stay so. Rooms in which this node has a leg are never touched; rooms of
//! other nodes have an agent in them. For a caller whom nobody was told of, because all workers
//! were away at that moment, an agent is asked for once more first. The sweep also keeps the way
//! in open, and trunks in step with the numbers.

use crate::api::{Api, DEPARTED_ROOM_S, EMPTY_ROOM_S};
use crate::entrance;
use crate::ghosts::Ghosts;
use crate::legs::Legs;
use crate::names::HANDED_OVER;
use crate::numbers::Numbers;
use crate::refusals::is_not_found;
use crate::trunks::Trunks;
use futures::StreamExt as _;
use futures::future::ready;
use futures::stream;
use livekit_api::services::ServiceError;
use livekit_api::services::room::CreateRoomOptions;
use livekit_protocol::participant_info::Kind;
use livekit_protocol::{CreateAgentDispatchRequest, ParticipantInfo, Room};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How often the rooms are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// And not more often than this, whatever is heard of them.
const SOONEST: Duration = Duration::from_millis(100);
/// Rooms that are looked at side by side.
const AT_ONCE: usize = 8;
/// How often trunks and the way in are.
const UPKEEP: Duration = Duration::from_secs(60);
/// Until the way in is open, it is tried as often as this.
const RETRY: Duration = Duration::from_secs(2);
/// A node takes a caller within a second; for whom it does not, an agent is asked for again.
const UNNOTICED: Duration = Duration::from_millis(900);
/// Who rings this long will not be taken.
const UNANSWERED: Duration = Duration::from_secs(4);
/// An agent that lost its connections comes back within seconds, or never.
const ABANDONED: Duration = Duration::from_secs(15);
/// Who enters a room anew is not in it for a moment, of which we may be told and look.
const LEFT: Duration = Duration::from_secs(1);
/// An empty room goes by itself, unless the server that would see to it was killed.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What the sweep needs.
pub(crate) struct Sweep {
    pub(crate) api: Arc<Api>,
    pub(crate) legs: Legs,
    pub(crate) ghosts: Ghosts,
    pub(crate) trunks: Arc<Trunks>,
    pub(crate) allow: Vec<String>,
    pub(crate) numbers: Option<Arc<dyn Numbers>>,
    /// Somebody has left a room: look now.
    pub(crate) wake: Arc<Notify>,
    /// Whether the way in has been open once.
    pub(crate) open: watch::Sender<bool>,
}

impl Sweep {
    /// Never returns: the task is aborted when the node stops.
    pub(crate) async fn run(self) {
        let mut absences = HashMap::new();
        let mut upkeep = Instant::now();
        loop {
            if upkeep <= Instant::now() {
                upkeep = Instant::now() + if self.upkeep().await { UPKEEP } else { RETRY };
            }
            if let Err(error) = self.rooms(&mut absences, Instant::now()).await {
                tracing::debug!(%error, "LiveKit's rooms cannot be seen now");
                self.ghosts.doubt(Instant::now());
            }
            tokio::time::sleep(SOONEST).await;
            // Nobody may call; then it is a round like any other.
            let _ = tokio::time::timeout(ROUND - SOONEST, self.wake.notified()).await;
        }
    }

    async fn upkeep(&self) -> bool {
        if let Err(error) = entrance::open(&self.api, &self.allow).await {
            tracing::warn!(%error, "calls cannot come in yet");
            return false;
        }
        self.open.send_replace(true);
        if let Some(known) = &self.numbers {
            match known.all().await {
                Ok(numbers) => {
                    if let Err(error) = self.trunks.retain(&numbers, known.as_ref()).await {
                        tracing::warn!(%error, "former trunks stay for now");
                    }
                }
                Err(error) => tracing::debug!(error, "the numbers cannot be told now"),
            }
        }
        true
    }

    /// One look at all rooms. `absences` remembers since when a room has been without an agent.
    async fn rooms(&self, absences: &mut HashMap<String, Absence>, now: Instant) -> Result<(), ServiceError> {
        let rooms = self.api.livekit.room().list_rooms(Vec::new()).await?;
        let foreign = |room: &Room| self.api.names.is_room(&room.name) && !self.legs.contains(&room.name);
        let rooms: Vec<Room> = rooms.into_iter().filter(foreign).collect();
        self.ghosts.retain(&rooms.iter().map(|room| room.name.as_str()).collect());
        let mut before = std::mem::take(absences);
        let looks: Vec<_> = rooms
            .into_iter()
            .map(|room| {
                let absence = before.remove(&room.name);
                self.room(room, absence, now)
            })
            .collect();
        *absences = stream::iter(looks).buffer_unordered(AT_ONCE).filter_map(ready).collect().await;
        Ok(())
    }

    /// One look at one room, whose trouble is no other's. Returns its absence, if it has one.
    async fn room(&self, room: Room, before: Option<Absence>, now: Instant) -> Option<(String, Absence)> {
        let listed = match self.api.livekit.room().list_participants(&room.name).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(room = room.name, %error, "a room cannot be seen now");
                return before.map(|absence| (room.name, absence));
            }
        };
        let people = self.ghosts.present(&room.name, &listed, now);
        let fresh = Absence { since: now, asked: false, told: false, empty: people.is_empty() };
        let mut absence = before.filter(|absence| absence.empty == people.is_empty()).unwrap_or(fresh);
        let handed_over = room.metadata == HANDED_OVER;
        let without_agent = now.duration_since(absence.since);
        let verdict = match (people.is_empty(), handed_over) {
            (true, _) => verdict_on_empty(without_agent),
            (false, true) => verdict_on_handed_over(&listed, &people, without_agent),
            (false, false) => verdict(&people, without_agent, absence.asked),
        };
        match verdict {
            Verdict::Attended => return None,
            Verdict::Wait => {}
            Verdict::AskAgain => absence.asked = self.ask_for_agent(&room.name).await,
            Verdict::End => absence.told |= !self.end(&room, &people, absence.told).await,
        }
        Some((room.name, absence))
    }

    /// Whether it could be done. `told` says that the log knows that it cannot.
    async fn end(&self, room: &Room, people: &[ParticipantInfo], told: bool) -> bool {
        let (name, handed_over) = (&room.name, room.metadata == HANDED_OVER);
        // A leg may have come while we looked.
        if self.legs.contains(name) {
            return true;
        }
        match self.delete(name, people.is_empty()).await {
            Ok(()) if handed_over => {}
            Ok(()) => tracing::warn!(room = name, "ended a room without an agent"),
            // Another node was faster.
            Err(error) if is_not_found(&error) => {}
            Err(_) if told => return false,
            Err(error) => {
                tracing::warn!(room = name, %error, "a room without an agent cannot be ended now");
                return false;
            }
        }
        true
    }

    /// The server of an empty room may be gone, and then nobody answers a request to delete it. So
    /// it is given to a living one first, which a request to make it does; one with people in it
    /// is not to be taken from the server that has them.
    async fn delete(&self, room: &str, is_empty: bool) -> Result<(), ServiceError> {
        let rooms = self.api.livekit.room();
        if is_empty {
            let options = CreateRoomOptions {
                empty_timeout: EMPTY_ROOM_S,
                departure_timeout: DEPARTED_ROOM_S,
                ..CreateRoomOptions::default()
            };
            rooms.create_room(room, options).await?;
        }
        rooms.delete_room(room).await.map(drop)
    }

    /// Whether LiveKit took it.
    async fn ask_for_agent(&self, room: &str) -> bool {
        let request = CreateAgentDispatchRequest {
            agent_name: self.api.names.agent().to_owned(),
            room: room.to_owned(),
            ..CreateAgentDispatchRequest::default()
        };
        let asked = self.api.livekit.agent_dispatch().create_dispatch(request).await;
        asked.inspect_err(|error| tracing::debug!(room, %error, "no agent can be asked for now")).is_ok()
    }
}

/// A room without an agent.
#[derive(Debug, Clone, Copy)]
struct Absence {
    since: Instant,
    /// Whether we have asked for an agent.
    asked: bool,
    /// Whether the log knows that it cannot be ended.
    told: bool,
    /// Nor is anybody else in it.
    empty: bool,
}

/// What to do about a room.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// There is an agent.
    Attended,
    Wait,
    AskAgain,
    End,
}

/// A room just made is empty until its agent comes, and one just left until the server tidies up.
fn verdict_on_empty(without_anybody: Duration) -> Verdict {
    if without_anybody >= FORGOTTEN { Verdict::End } else { Verdict::Wait }
}

/// Two persons whom an agent has left to each other: when one goes, the other is to go, too. Who
/// is listed and not there may come back, and so is waited for.
fn verdict_on_handed_over(
    listed: &[ParticipantInfo],
    present: &[ParticipantInfo],
    without_agent: Duration,
) -> Verdict {
    if !is_left_alone(present) {
        return Verdict::Attended;
    }
    let patience = match is_left_alone(listed) {
        true if listed.iter().any(has_hung_up) => Duration::ZERO,
        true => LEFT,
        false => ABANDONED,
    };
    if without_agent >= patience { Verdict::End } else { Verdict::Wait }
}

fn is_left_alone(people: &[ParticipantInfo]) -> bool {
    let is_agent = |person: &ParticipantInfo| person.kind == i32::from(Kind::Agent);
    let persons = people.iter().filter(|person| !is_agent(person) && !has_hung_up(person)).count();
    persons == 1 && !people.iter().any(is_agent)
}

fn has_hung_up(person: &ParticipantInfo) -> bool {
    person.attributes.get("sip.callStatus").is_some_and(|status| status == "hangup")
}

fn verdict(people: &[ParticipantInfo], without_agent: Duration, asked: bool) -> Verdict {
    let is = |person: &ParticipantInfo, kind: Kind| person.kind == i32::from(kind);
    if people.iter().any(|person| is(person, Kind::Agent)) {
        return Verdict::Attended;
    }
    let called_in = |person: &ParticipantInfo| {
        person.attributes.contains_key("sip.ruleID")
            && person.attributes.get("sip.callStatus").is_some_and(|status| status == "ringing")
    };
    let rings = people.iter().all(called_in);
    if without_agent >= if rings { UNANSWERED } else { ABANDONED } {
        return Verdict::End;
    }
    if rings && !asked && without_agent >= UNNOTICED { Verdict::AskAgain } else { Verdict::Wait }
}

#[cfg(test)]
mod tests;
