//! The customer's webhook receiver: keeps a log of every request, and misbehaves on order.
//!
//! In front of the HTTP server stands a relay that can cut connections in mid-request, which a
//! handler cannot.

use super::facts::Arrival;
use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use standardwebhooks::Webhook;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longer than a sender waits.
const HANG: Duration = Duration::from_secs(25);
const SLOW: Duration = Duration::from_secs(3);

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Fails,
    Hangs,
    Slow,
    Cuts,
}

struct Shared {
    webhook: OnceLock<Webhook>,
    log: Mutex<Vec<Arrival>>,
    mood: watch::Sender<Mood>,
}

/// The running receiver.
#[derive(Clone)]
pub(super) struct Receiver {
    shared: Arc<Shared>,
    pub(super) url: String,
}

impl Receiver {
    pub(super) async fn start() -> Result<Self> {
        let (inner, outer) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (server, url) = (inner.local_addr()?, format!("http://{}/webhooks", outer.local_addr()?));
        let (mood, _) = watch::channel(Mood::Well);
        let shared = Arc::new(Shared { webhook: OnceLock::new(), log: Mutex::default(), mood });
        let router = Router::new().fallback(post(receive)).with_state(shared.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(inner, router).await {
                eprintln!("talkif: the webhook receiver stopped: {error}");
            }
        });
        let moods = shared.mood.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = outer.accept().await {
                tokio::spawn(relay(client, server, moods.clone()));
            }
        });
        Ok(Self { shared, url })
    }

    /// The secret is known only after the address.
    pub(super) fn trust(&self, secret: &str) -> Result<()> {
        let webhook =
            Webhook::new(secret).map_err(|error| anyhow::anyhow!("not a webhook secret: {error}"))?;
        // Told twice, it keeps the first: a run has one secret.
        let _again = self.shared.webhook.set(webhook);
        Ok(())
    }

    pub(super) fn set(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Carries one connection until it ends or moods turn.
async fn relay(mut client: TcpStream, server: std::net::SocketAddr, mut moods: watch::Receiver<Mood>) {
    let cut = moods.wait_for(|mood| *mood == Mood::Cuts);
    let carry = async {
        let mut server = TcpStream::connect(server).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        _ = cut => {}
        // However it ended, it has.
        _ = carry => {}
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let arrival = read(shared.webhook.get(), &headers, &body);
    let verified = arrival.verified;
    shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    let mood = *shared.mood.borrow();
    match mood {
        Mood::Fails => return StatusCode::INTERNAL_SERVER_ERROR,
        Mood::Hangs => tokio::time::sleep(HANG).await,
        Mood::Slow => tokio::time::sleep(SLOW).await,
        Mood::Well | Mood::Cuts => {}
    }
    if verified { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

fn read(webhook: Option<&Webhook>, headers: &HeaderMap, body: &[u8]) -> Arrival {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    Arrival {
        id: headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned(),
        body_id: text("id"),
        event: text("event"),
        call: text("call_id"),
        lead: text("lead_id"),
        digest: hasher.finish(),
        verified: webhook.is_some_and(|webhook| webhook.verify(body, headers).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn started() -> Receiver {
        let receiver = Receiver::start().await.unwrap();
        receiver.trust("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        receiver
    }

    #[tokio::test]
    async fn a_request_that_does_not_verify_is_logged_as_such() {
        let receiver = started().await;
        let body = r#"{"id":"evt_1","event":"call.started","call_id":"call_1"}"#;
        let answer = reqwest::Client::new().post(&receiver.url).header("webhook-id", "evt_1").body(body);
        assert_eq!(answer.send().await.unwrap().status(), 401);
        let log = receiver.arrivals();
        assert_eq!((log.len(), log[0].verified, log[0].event.as_str()), (1, false, "call.started"));
    }

    #[tokio::test]
    async fn moods_are_what_a_sender_sees() {
        let receiver = started().await;
        let send = || reqwest::Client::new().post(&receiver.url).body("{}").send();
        receiver.set(Mood::Fails);
        assert_eq!(send().await.unwrap().status(), 500);
        receiver.set(Mood::Cuts);
        assert!(send().await.is_err());
        receiver.set(Mood::Well);
        assert_eq!(send().await.unwrap().status(), 401);
    }
}
