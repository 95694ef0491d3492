//! What `livekit-server` tells by webhook, and what we make of it: a reason to look, never a fact.
//!
//! An event says that somebody left a room or that a room is gone. The sweep then looks at the
//! rooms at once instead of within a second, and decides by what it sees. So a lost event costs a
//! moment, a repeated one nothing, and one that lies cannot end a call.
//!
//! A request is signed: its `Authorization` is a token of our key pair (HS256) that names the
//! SHA-256 of the body. Anything else is turned away before it is read.

use crate::config::LiveKitConfig;
use crate::legs::Legs;
use crate::names::Names;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use livekit_api::access_token::TokenVerifier;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Where events are posted to.
const PATH: &str = "/livekit/webhook";
/// Events tell about one participant of one room: a few kilobytes.
const LONGEST_BODY: usize = 64 * 1_024;
/// Ids of the latest events, by which a repeated one is known. LiveKit repeats within seconds.
const REMEMBERED: usize = 4_096;

/// What came to the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookCounts {
    /// Signed, new, and about a room of ours.
    pub taken: u64,
    /// Signed, and seen before.
    pub repeated: u64,
    /// Signed, and about somebody else's room, or none.
    pub foreign: u64,
    /// About a room of ours that has started and that this node knows nothing of: another node's,
    /// or a caller's whom nobody has taken yet.
    pub strangers: u64,
    /// Not signed by us, or no event.
    pub refused: u64,
}

/// Receives events.
pub(crate) struct Webhooks {
    verifier: TokenVerifier,
    names: Names,
    legs: Legs,
    wake: Arc<Notify>,
    seen: Mutex<Seen>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    repeated: AtomicU64,
    foreign: AtomicU64,
    strangers: AtomicU64,
    refused: AtomicU64,
}

/// The part of an event that we look at. Newer servers may tell more.
#[derive(Debug, Deserialize)]
struct Event {
    event: String,
    #[serde(default)]
    id: String,
    room: Option<EventRoom>,
}

#[derive(Debug, Deserialize)]
struct EventRoom {
    #[serde(default)]
    name: String,
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Unsigned,
    Garbled,
}

impl Webhooks {
    pub(crate) fn new(config: &LiveKitConfig, legs: Legs, wake: Arc<Notify>) -> Self {
        Self {
            verifier: TokenVerifier::with_api_key(&config.api_key, &config.api_secret),
            names: Names::new(config.region),
            legs,
            wake,
            seen: Mutex::default(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn counts(&self) -> WebhookCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookCounts {
            taken: count(&self.counts.taken),
            repeated: count(&self.counts.repeated),
            foreign: count(&self.counts.foreign),
            strangers: count(&self.counts.strangers),
            refused: count(&self.counts.refused),
        }
    }

    fn receive(&self, authorization: &str, body: &[u8]) -> Result<(), Refusal> {
        let received = self.verify(authorization, body).and_then(|hash| Ok((hash, read(body)?)));
        match received {
            Ok((hash, event)) => self.take(&event, hash),
            Err(refusal) => {
                count(&self.counts.refused);
                tracing::debug!(?refusal, "turned a webhook away");
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// The body's hash, if the token names it. A token of ours that was made for something else
    /// names none.
    fn verify(&self, authorization: &str, body: &[u8]) -> Result<String, Refusal> {
        let token = authorization.strip_prefix("Bearer ").unwrap_or(authorization);
        let claims = self.verifier.verify(token).map_err(|_| Refusal::Unsigned)?;
        let hash = STANDARD.encode(Sha256::digest(body));
        // The token's signature covers the claim, so nobody learns anything by guessing at it.
        if claims.sha256 == hash { Ok(hash) } else { Err(Refusal::Unsigned) }
    }

    fn take(&self, event: &Event, hash: String) {
        let id = if event.id.is_empty() { hash } else { event.id.clone() };
        if !self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(id) {
            return count(&self.counts.repeated);
        }
        let Some(room) = event.room.as_ref().filter(|room| self.names.is_room(&room.name)) else {
            return count(&self.counts.foreign);
        };
        count(&self.counts.taken);
        match event.event.as_str() {
            "participant_left" | "participant_connection_aborted" | "room_finished" => {
                self.wake.notify_one();
            }
            "room_started" if !self.legs.contains(&room.name) => count(&self.counts.strangers),
            _ => {}
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(body: &[u8]) -> Result<Event, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::Garbled)
}

/// The ids of the latest events.
#[derive(Debug, Default)]
struct Seen {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    fn is_new(&mut self, id: String) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

/// The one route.
pub(crate) fn routes(webhooks: Arc<Webhooks>) -> Router {
    Router::new().route(PATH, post(receive)).layer(DefaultBodyLimit::max(LONGEST_BODY)).with_state(webhooks)
}

async fn receive(State(webhooks): State<Arc<Webhooks>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match webhooks.receive(authorization, &body) {
        Ok(()) => StatusCode::OK,
        Err(Refusal::Unsigned) => StatusCode::UNAUTHORIZED,
        Err(Refusal::Garbled) => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use livekit_api::access_token::AccessToken;
    use std::time::Duration;
    use talkif_model::Region;

    const SECRET: &str = "a-secret-of-at-least-32-characters";
    const LEFT: &str =
        r#"{"event":"participant_left","id":"EV_1","room":{"name":"talkif-eu-west-in_1"},"new":1}"#;

    fn webhooks() -> Webhooks {
        let config = LiveKitConfig {
            url: "ws://127.0.0.1:9".to_owned(),
            api_key: "key".to_owned(),
            api_secret: SECRET.to_owned(),
            region: Region::EuWest,
            slots: 1,
            allow: Vec::new(),
            numbers: None,
        };
        Webhooks::new(&config, Legs::new(1), Arc::default())
    }

    fn token(key: &str, secret: &str, body: &str) -> String {
        let hash = STANDARD.encode(Sha256::digest(body));
        let token = AccessToken::with_api_key(key, secret).with_ttl(Duration::from_secs(60));
        token.with_sha256(&hash).to_jwt().unwrap()
    }

    fn woken(webhooks: &Webhooks) -> bool {
        webhooks.wake.notified().now_or_never().is_some()
    }

    #[test]
    fn a_signed_event_is_a_reason_to_look_once() {
        let webhooks = webhooks();
        let token = token("key", SECRET, LEFT);
        assert_eq!(webhooks.receive(&token, LEFT.as_bytes()), Ok(()));
        assert!(woken(&webhooks));
        assert_eq!(webhooks.receive(&token, LEFT.as_bytes()), Ok(()), "LiveKit need not send it again");
        assert!(!woken(&webhooks));
        let counts = webhooks.counts();
        assert_eq!((counts.taken, counts.repeated, counts.refused), (1, 1, 0));
    }

    #[test]
    fn what_is_not_signed_for_this_body_changes_nothing() {
        let webhooks = webhooks();
        let other_use = AccessToken::with_api_key("key", SECRET).with_identity("a").to_jwt().unwrap();
        let forged = [
            String::new(),
            "nonsense".to_owned(),
            token("key", "another-secret-of-32-characters-or-more", LEFT),
            token("other", SECRET, LEFT),
            token("key", SECRET, "{}"),
            other_use,
        ];
        for token in &forged {
            assert_eq!(webhooks.receive(token, LEFT.as_bytes()), Err(Refusal::Unsigned), "{token}");
        }
        assert!(!woken(&webhooks));
        let expected = WebhookCounts { refused: 6, ..WebhookCounts::default() };
        assert_eq!(webhooks.counts(), expected);
    }

    #[test]
    fn an_algorithm_that_needs_no_key_is_not_taken() {
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let hash = STANDARD.encode(Sha256::digest(LEFT));
        let claims = format!(r#"{{"iss":"key","exp":9999999999,"nbf":0,"sha256":"{hash}"}}"#);
        let token = format!("{}.{}.", encode(r#"{"alg":"none","typ":"JWT"}"#), encode(&claims));
        assert_eq!(webhooks().receive(&token, LEFT.as_bytes()), Err(Refusal::Unsigned));
    }

    #[test]
    fn nonsense_with_a_signature_is_refused_and_rooms_of_others_are_passed_over() {
        let webhooks = webhooks();
        for body in ["", "{", "[]", "null", r#"{"event":1}"#] {
            let token = token("key", SECRET, body);
            assert_eq!(webhooks.receive(&token, body.as_bytes()), Err(Refusal::Garbled), "{body}");
        }
        for body in [
            r#"{"event":"room_finished","id":"EV_2","room":{"name":"standup"}}"#,
            r#"{"event":"egress_started","id":"EV_3"}"#,
        ] {
            assert_eq!(webhooks.receive(&token("key", SECRET, body), body.as_bytes()), Ok(()));
        }
        assert!(!woken(&webhooks));
        assert_eq!(webhooks.counts().foreign, 2);
    }

    #[test]
    fn a_room_that_starts_without_us_is_counted() {
        let webhooks = webhooks();
        let _seat = webhooks.legs.enter("talkif-eu-west-out-call_1");
        for (id, room) in [("EV_4", "talkif-eu-west-out-call_1"), ("EV_5", "talkif-eu-west-in_2")] {
            let body = format!(r#"{{"event":"room_started","id":"{id}","room":{{"name":"{room}"}}}}"#);
            assert_eq!(webhooks.receive(&token("key", SECRET, &body), body.as_bytes()), Ok(()));
        }
        assert_eq!(webhooks.counts().strangers, 1);
    }

    #[test]
    fn only_the_latest_ids_are_remembered() {
        let mut seen = Seen::default();
        assert!(seen.is_new("first".to_owned()));
        for id in 0..REMEMBERED {
            assert!(seen.is_new(id.to_string()));
        }
        assert_eq!((seen.ids.len(), seen.order.len()), (REMEMBERED, REMEMBERED));
        assert!(seen.is_new("first".to_owned()));
    }
}
