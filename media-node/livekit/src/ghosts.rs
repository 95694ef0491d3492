//! Who is in LiveKit's list of a room and no longer in the room.
//!
//! `livekit-server` keeps its lists in Redis. One that is killed leaves them as they were, and the
//! one that comes after it believes them: an agent that died with it would keep its room for ever,
//! and with the room whoever came back to it. So everybody who is listed is asked for now and then
//! by an update of nothing, which only a server that really has the person answers.
//!
//! Costs a request for each person and [`EVERY`], none of which anybody waits for.

use crate::api::Api;
use crate::refusals::is_nobody_there;
use livekit_api::services::ServiceError;
use livekit_api::services::room::UpdateParticipantOptions;
use livekit_protocol::ParticipantInfo;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How often somebody who is there is asked for.
const EVERY: Duration = Duration::from_secs(60);
/// And somebody who may not be.
const AGAIN: Duration = Duration::from_secs(1);
/// A server says after 3 s that nobody has answered it.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// Whoever cannot be found for this long is a ghost: a server may be too busy for a while.
const GONE: Duration = Duration::from_secs(10);
/// Requests under way.
const AT_ONCE: usize = 32;

/// What is known of the people in the rooms of others.
pub(crate) struct Ghosts {
    api: Arc<Api>,
    people: People,
    places: Arc<Semaphore>,
}

/// By room and identity.
type People = Arc<Mutex<HashMap<(String, String), Known>>>;

impl Ghosts {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self { api, people: People::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Those of `listed` who are not known to be ghosts. Asks for whom it is time to ask for, and
    /// does not wait for the answers.
    pub(crate) fn present(
        &self,
        room: &str,
        listed: Vec<ParticipantInfo>,
        now: Instant,
    ) -> Vec<ParticipantInfo> {
        let mut people = lock(&self.people);
        let is_there = |person: &ParticipantInfo| {
            let key = (room.to_owned(), person.identity.clone());
            let known = people.entry(key.clone()).or_insert_with(|| Known::new(now));
            if known.take_turn(now) {
                self.ask_for(key);
            }
            !known.ghost
        };
        listed.into_iter().filter(is_there).collect()
    }

    /// Forgets the people of all other rooms.
    pub(crate) fn retain(&self, rooms: &HashSet<&str>) {
        lock(&self.people).retain(|(room, _), _| rooms.contains(room.as_str()));
    }

    fn ask_for(&self, key: (String, String)) {
        let (api, people, places) =
            (Arc::clone(&self.api), Arc::clone(&self.people), Arc::clone(&self.places));
        tokio::spawn(async move {
            // It is never closed.
            let _place = places.acquire().await;
            let answer = is_served(&api, &key.0, &key.1).await;
            if let Some(known) = lock(&people).get_mut(&key) {
                known.heard(answer, Instant::now());
            }
        });
    }
}

fn lock(people: &People) -> std::sync::MutexGuard<'_, HashMap<(String, String), Known>> {
    people.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a server has this person, if that can be told.
async fn is_served(api: &Api, room: &str, identity: &str) -> Option<bool> {
    let rooms = api.livekit.room();
    let nothing = rooms.update_participant(room, identity, UpdateParticipantOptions::default());
    match timeout(ANSWER_WITHIN, nothing).await {
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
    ghost: bool,
}

impl Known {
    const fn new(now: Instant) -> Self {
        Self { due: Some(now), missed: None, ghost: false }
    }

    fn take_turn(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// No answer, or an unclear one, changes nothing.
    fn heard(&mut self, is_there: Option<bool>, now: Instant) {
        match is_there {
            Some(true) => (self.missed, self.ghost) = (None, false),
            Some(false) => {
                let missed = *self.missed.get_or_insert(now);
                self.ghost = now.duration_since(missed) >= GONE;
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
    fn who_is_there_is_asked_for_once_a_minute() {
        let now = Instant::now();
        let mut known = Known::new(now);
        assert!(known.take_turn(now));
        assert!(!known.take_turn(now + EVERY), "the answer is still awaited");
        known.heard(Some(true), now);
        assert!(!known.take_turn(now + EVERY / 2));
        assert!(known.take_turn(now + EVERY));
    }

    #[test]
    fn a_ghost_is_who_stays_missed_and_one_answer_brings_a_person_back() {
        let now = Instant::now();
        let mut known = Known::new(now);
        known.heard(Some(false), now);
        assert!(!known.ghost && known.take_turn(now + AGAIN));
        known.heard(None, now + GONE);
        assert!(!known.ghost, "an answer that says nothing is no proof");
        known.heard(Some(false), now + GONE);
        assert!(known.ghost);
        known.heard(Some(true), now + GONE * 2);
        assert!(!known.ghost);
        known.heard(Some(false), now + GONE * 3);
        assert!(!known.ghost, "it begins anew");
    }

    /// LiveKit has everybody in its list, and only the caller in the room.
    fn haunted(_: &str, body: &[u8]) -> Reply {
        match UpdateParticipantRequest::decode(body).unwrap().identity.as_str() {
            "caller" => Reply::of(&ParticipantInfo::default()),
            _ => Reply::Refused("unavailable", None),
        }
    }

    fn named(identity: &str) -> ParticipantInfo {
        ParticipantInfo { identity: identity.to_owned(), ..ParticipantInfo::default() }
    }

    #[tokio::test]
    async fn everybody_who_is_listed_is_asked_for() {
        let fake = Fake::start(haunted).await;
        let ghosts = Ghosts::new(Arc::clone(&fake.api));
        let listed = vec![named("caller"), named("agent")];
        assert_eq!(ghosts.present("room", listed.clone(), Instant::now()).len(), 2, "nobody waits for it");
        let missed = |identity: &str| {
            let key = ("room".to_owned(), identity.to_owned());
            lock(&ghosts.people)[&key].missed
        };
        while missed("agent").is_none() {
            tokio::task::yield_now().await;
        }
        lock(&ghosts.people).get_mut(&("room".to_owned(), "agent".to_owned())).unwrap().ghost = true;
        let present = ghosts.present("room", listed, Instant::now());
        assert_eq!(present, [named("caller")]);
        assert_eq!(missed("caller"), None);
        ghosts.retain(&HashSet::from(["another"]));
        assert!(lock(&ghosts.people).is_empty());
    }
}
