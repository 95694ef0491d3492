//! A webhook receiver that verifies every delivery with the Standard Webhooks library, which is
//! not ours: what it accepts, a customer's library accepts.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::Timestamp;
use standardwebhooks::Webhook;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// One delivery, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// `webhook-id`: the same over all deliveries of an event.
    pub(crate) id: String,
    /// The JSON body; `null` when it is not JSON.
    pub(crate) body: serde_json::Value,
    /// Whether the independent library accepted the signature.
    pub(crate) verified: bool,
    /// When it arrived.
    pub(crate) at: Timestamp,
}

impl Delivery {
    /// A string field of the body, or an empty text.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body.get(field).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

struct Shared {
    webhook: Webhook,
    deliveries: mpsc::UnboundedSender<Delivery>,
}

/// A socket that waits for its secret: the endpoint must be registered, with the socket's
/// address, before the secret is known.
pub(crate) struct Receiver {
    listener: tokio::net::TcpListener,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Receiver {
    /// Binds `127.0.0.1:port`; 0 takes a free port.
    pub(crate) async fn bind(port: u16) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address to register as endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }

    /// Answers 204 to what verifies and 401 to what does not, and hands on both.
    pub(crate) fn serve(self, secret: &str) -> Result<mpsc::UnboundedReceiver<Delivery>> {
        let webhook =
            Webhook::new(secret).map_err(|error| anyhow::anyhow!("not a webhook secret: {error}"))?;
        let (deliveries, received) = mpsc::unbounded_channel();
        let router =
            Router::new().fallback(post(receive)).with_state(Arc::new(Shared { webhook, deliveries }));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, router).await {
                eprintln!("talkif: the webhook receiver stopped: {error}");
            }
        });
        Ok(received)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let at = Timestamp::now();
    let verified = shared.webhook.verify(&body, &headers).is_ok();
    let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(serde_json::Value::Null);
    // Nobody listens any more when the command is about to end.
    let _ending = shared.deliveries.send(Delivery { id, body, verified, at });
    if verified { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}
