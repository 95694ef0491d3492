//! Who is in LiveKit's list of a room and no longer in the room.
//!
//! `livekit-server` keeps its lists in Redis. One that is killed leaves them as they were, and the
//! one that comes after it believes them: an agent that died with it would keep its room for ever,
//! and with the room whoever came back to it. So everybody who is listed is asked for now and then
//! at the server that has them ([`Api::person`]).
//!
//! Costs a request for each person and [`EVERY`], none of which anybody waits for.

use crate::api::Api;
use crate::refusals::is_nobody_there;
use livekit_api::services::ServiceError;
use livekit_protocol::ParticipantInfo;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How often somebody who is there is asked for.
const EVERY: Duration = Duration::from_secs(20);
/// And somebody who may not be.
const AGAIN: Duration = Duration::from_secs(1);
/// A server says after 3 s that nobody has answered it.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// Whoever cannot be found for this long …
const GONE: Duration = Duration::from_secs(10);
/// … and as often in a row is a ghost: a server may be too busy for a while.
const MISSES: u32 = 3;
/// Requests under way.
const AT_ONCE: usize = 32;

/// What is known of the people in the rooms of others.
pub(crate) struct Ghosts {
    api: Arc<Api>,
    rooms: Rooms,
    places: Arc<Semaphore>,
}

/// By room, and by the session ID of whoever is in it.
type Rooms = Arc<Mutex<HashMap<String, People>>>;
type People = HashMap<String, Known>;

impl Ghosts {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self { api, rooms: Rooms::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Those of `listed` who are not known to be ghosts. Asks for whom it is time to ask for, and
    /// does not wait for the answers; forgets those who are listed no more.
    pub(crate) fn present(
        &self,
        room: &str,
        listed: &[ParticipantInfo],
        now: Instant,
    ) -> Vec<ParticipantInfo> {
        let mut rooms = lock(&self.rooms);
        let mut before = rooms.remove(room).unwrap_or_default();
        let (mut people, mut present) = (People::new(), Vec::new());
        for person in listed {
            let mut known = before.remove(&person.sid).unwrap_or_else(|| Known::new(now));
            if known.take_turn(now) {
                self.ask_for(room.to_owned(), person);
            }
            if !known.is_ghost {
                present.push(person.clone());
            }
            people.insert(person.sid.clone(), known);
        }
        rooms.insert(room.to_owned(), people);
        present
    }

    /// Forgets the people of all other rooms.
    pub(crate) fn retain(&self, names: &HashSet<&str>) {
        lock(&self.rooms).retain(|room, _| names.contains(room.as_str()));
    }

    /// LiveKit was away: everybody is asked for anew.
    pub(crate) fn doubt(&self, now: Instant) {
        let mut rooms = lock(&self.rooms);
        rooms.values_mut().flat_map(People::values_mut).for_each(|known| known.doubt(now));
    }

    /// As if this person had been missed for long.
    #[cfg(test)]
    pub(crate) fn presume_ghost(&self, room: &str, sid: &str) {
        let mut rooms = lock(&self.rooms);
        if let Some(known) = rooms.get_mut(room).and_then(|people| people.get_mut(sid)) {
            *known = Known { due: None, missed: None, misses: MISSES, is_ghost: true };
        }
    }

    fn ask_for(&self, room: String, person: &ParticipantInfo) {
        let (identity, sid) = (person.identity.clone(), person.sid.clone());
        let (api, rooms, places) = (Arc::clone(&self.api), Arc::clone(&self.rooms), Arc::clone(&self.places));
        tokio::spawn(async move {
            // It is never closed.
            let _place = places.acquire().await;
            let answer = is_served(&api, &room, &identity).await;
            if let Some(known) = lock(&rooms).get_mut(&room).and_then(|people| people.get_mut(&sid)) {
                known.heard(answer, Instant::now());
            }
        });
    }
}

fn lock(rooms: &Rooms) -> MutexGuard<'_, HashMap<String, People>> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a server has this person, if that can be told.
async fn is_served(api: &Api, room: &str, identity: &str) -> Option<bool> {
    match timeout(ANSWER_WITHIN, api.person(room, identity)).await {
        Ok(answer) => judge(answer.as_ref().map(drop)),
        Err(_) => None,
    }
}

fn judge(answer: Result<(), &ServiceError>) -> Option<bool> {
    match answer {
        Ok(()) => Some(true),
        Err(error) => is_nobody_there(error).then_some(false),
    }
}

/// What is known of one person.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// When to ask next; none while an answer is awaited.
    due: Option<Instant>,
    /// Since when nobody has had this person.
    missed: Option<Instant>,
    misses: u32,
    is_ghost: bool,
}

impl Known {
    const fn new(now: Instant) -> Self {
        Self { due: Some(now), missed: None, misses: 0, is_ghost: false }
    }

    fn take_turn(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    fn doubt(&mut self, now: Instant) {
        self.due = self.due.map(|due| due.min(now));
    }

    /// No answer, or an unclear one, changes nothing.
    fn heard(&mut self, is_there: Option<bool>, now: Instant) {
        match is_there {
            Some(true) => (self.missed, self.misses, self.is_ghost) = (None, 0, false),
            Some(false) => {
                let missed = *self.missed.get_or_insert(now);
                self.misses += 1;
                self.is_ghost = self.misses >= MISSES && now.duration_since(missed) >= GONE;
            }
            None => {}
        }
        let there = is_there == Some(true);
        self.due = Some(now + if there { EVERY } else { AGAIN });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Reply};
    use livekit_protocol::UpdateParticipantRequest;
    use prost::Message as _;

    #[test]
    fn who_is_there_is_asked_for_now_and_then_and_when_livekit_was_away() {
        let now = Instant::now();
        let mut known = Known::new(now);
        assert!(known.take_turn(now));
        known.doubt(now);
        assert!(!known.take_turn(now + EVERY), "the answer is still awaited");
        known.heard(Some(true), now);
        assert!(!known.take_turn(now + EVERY / 2));
        known.doubt(now + EVERY / 2);
        assert!(known.take_turn(now + EVERY / 2));
        known.heard(Some(true), now);
        assert!(known.take_turn(now + EVERY));
    }

    #[test]
    fn a_ghost_is_who_stays_missed_and_one_answer_brings_a_person_back() {
        let now = Instant::now();
        let mut known = Known::new(now);
        known.heard(Some(false), now);
        assert!(!known.is_ghost && known.take_turn(now + AGAIN));
        known.heard(None, now + GONE);
        assert!(!known.is_ghost, "an answer that says nothing is no proof");
        known.heard(Some(false), now + GONE);
        assert!(!known.is_ghost, "twice is not often");
        known.heard(Some(false), now + GONE);
        assert!(known.is_ghost);
        known.heard(Some(true), now + GONE * 2);
        assert!(!known.is_ghost);
        (0..MISSES).for_each(|_| known.heard(Some(false), now + GONE * 3));
        assert!(!known.is_ghost, "it begins anew");
    }

    /// LiveKit has everybody in its list, and only the caller in the room.
    fn haunted(_: &str, body: &[u8]) -> Reply {
        match UpdateParticipantRequest::decode(body).unwrap().identity.as_str() {
            "caller" => Reply::of(&ParticipantInfo::default()),
            _ => Reply::Refused("unavailable", None),
        }
    }

    fn named(identity: &str) -> ParticipantInfo {
        ParticipantInfo {
            identity: identity.to_owned(),
            sid: format!("PA_{identity}"),
            ..ParticipantInfo::default()
        }
    }

    #[tokio::test]
    async fn everybody_who_is_listed_is_asked_for_and_forgotten_with_the_list() {
        let fake = Fake::start(haunted).await;
        let ghosts = Ghosts::new(Arc::clone(&fake.api));
        let listed = [named("caller"), named("agent")];
        assert_eq!(ghosts.present("room", &listed, Instant::now()).len(), 2, "nobody waits for it");
        let known = |sid: &str| lock(&ghosts.rooms)["room"].get(sid).copied();
        while known("PA_agent").unwrap().missed.is_none() || known("PA_caller").unwrap().due.is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(known("PA_caller").unwrap().missed, None);
        lock(&ghosts.rooms).get_mut("room").unwrap().get_mut("PA_agent").unwrap().is_ghost = true;
        assert_eq!(ghosts.present("room", &listed, Instant::now()), [named("caller")]);
        ghosts.present("room", &listed[..1], Instant::now());
        assert!(known("PA_agent").is_none(), "who comes anew is somebody else");
        ghosts.retain(&HashSet::from(["another"]));
        assert!(lock(&ghosts.rooms).is_empty());
    }
}
