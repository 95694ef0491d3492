//! Puts right what crashes leave behind in LiveKit.
//!
//! A telephone call outlives its agent: `livekit-sip` keeps the person on the line until somebody
//! ends the room. So every node looks for rooms of the region in which a person is and no agent,
//! and ends those that stay so. Rooms in which this node has a leg are never touched; rooms of
//! other nodes have an agent in them. It also keeps the way in open and trunks in step with the
//! numbers.

use crate::api::Api;
use crate::entrance;
use crate::legs::Legs;
use crate::numbers::Numbers;
use crate::trunks::Trunks;
use livekit_api::services::ServiceError;
use livekit_protocol::ParticipantInfo;
use livekit_protocol::participant_info::Kind;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often the rooms are looked at.
const ROUND: Duration = Duration::from_secs(2);
/// How often trunks and the way in are.
const UPKEEP: Duration = Duration::from_secs(60);
/// Until the way in is open, it is tried as often as this.
const RETRY: Duration = Duration::from_secs(2);
/// A node takes a caller within a second; who rings this long will not be taken.
const UNANSWERED: Duration = Duration::from_secs(4);
/// An agent that lost its connections comes back within seconds, or never.
const ABANDONED: Duration = Duration::from_secs(15);

/// What the sweep needs.
pub(crate) struct Sweep {
    pub(crate) api: Arc<Api>,
    pub(crate) legs: Legs,
    pub(crate) trunks: Arc<Trunks>,
    pub(crate) allow: Vec<String>,
    pub(crate) numbers: Option<Arc<dyn Numbers>>,
    /// Whether the way in has been open once.
    pub(crate) open: watch::Sender<bool>,
}

impl Sweep {
    /// Never returns: the task is aborted when the node stops.
    pub(crate) async fn run(self) {
        let mut without_agent = HashMap::new();
        let mut upkeep = Instant::now();
        loop {
            if upkeep <= Instant::now() {
                upkeep = Instant::now() + if self.upkeep().await { UPKEEP } else { RETRY };
            }
            if let Err(error) = self.rooms(&mut without_agent, Instant::now()).await {
                tracing::debug!(%error, "LiveKit's rooms cannot be seen now");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn upkeep(&self) -> bool {
        if let Err(error) = entrance::open(&self.api, &self.allow).await {
            tracing::warn!(%error, "calls cannot come in yet");
            return false;
        }
        self.open.send_replace(true);
        if let Some(numbers) = &self.numbers {
            match numbers.all().await {
                Ok(numbers) => {
                    if let Err(error) = self.trunks.retain(&numbers).await {
                        tracing::warn!(%error, "trunks of former numbers stay for now");
                    }
                }
                Err(error) => tracing::debug!(error, "the numbers cannot be told now"),
            }
        }
        true
    }

    /// One look at all rooms. `without_agent` remembers since when a room has been without.
    async fn rooms(
        &self,
        without_agent: &mut HashMap<String, Instant>,
        now: Instant,
    ) -> Result<(), ServiceError> {
        let rooms = self.api.livekit.room().list_rooms(Vec::new()).await?;
        let foreign = |room: &String| self.api.names.is_room(room) && !self.legs.contains(room);
        let rooms: Vec<String> = rooms.into_iter().map(|room| room.name).filter(foreign).collect();
        without_agent.retain(|room, _| rooms.contains(room));
        for room in rooms {
            let people = self.api.livekit.room().list_participants(&room).await?;
            let Some(patience) = patience(self.api.names.is_inbound(&room), &people) else {
                without_agent.remove(&room);
                continue;
            };
            let since = *without_agent.entry(room.clone()).or_insert(now);
            if now.duration_since(since) >= patience && !self.legs.contains(&room) {
                tracing::warn!(room, "ended a room whose agent is gone");
                self.api.livekit.room().delete_room(&room).await?;
            }
        }
        Ok(())
    }
}

/// How long a room with these people may stay; `None` is as long as it likes. An empty room goes
/// by itself.
fn patience(inbound: bool, people: &[ParticipantInfo]) -> Option<Duration> {
    let is = |person: &ParticipantInfo, kind: Kind| person.kind == i32::from(kind);
    if people.is_empty() || people.iter().any(|person| is(person, Kind::Agent)) {
        return None;
    }
    let rings = |person: &ParticipantInfo| {
        person.attributes.get("sip.callStatus").is_some_and(|status| status == "ringing")
    };
    Some(if inbound && people.iter().all(rings) { UNANSWERED } else { ABANDONED })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(kind: Kind, status: &str) -> ParticipantInfo {
        let attributes = [("sip.callStatus".to_owned(), status.to_owned())].into();
        ParticipantInfo { kind: kind.into(), attributes, ..ParticipantInfo::default() }
    }

    #[test]
    fn a_room_with_an_agent_or_without_anybody_is_left_alone() {
        assert_eq!(patience(true, &[]), None);
        assert_eq!(patience(false, &[person(Kind::Sip, "active"), person(Kind::Agent, "")]), None);
    }

    #[test]
    fn who_rings_in_vain_is_refused_sooner_than_a_conversation_is_given_up() {
        assert_eq!(patience(true, &[person(Kind::Sip, "ringing")]), Some(UNANSWERED));
        assert_eq!(patience(true, &[person(Kind::Sip, "active")]), Some(ABANDONED));
        assert_eq!(patience(false, &[person(Kind::Sip, "ringing")]), Some(ABANDONED));
    }
}
