//! The customer's backend: posts leads as the documentation tells it to, with one idempotency key
//! a lead, and tries again where it should.

use super::cast::Role;
use super::facts::Lead;
use anyhow::Result;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A request that takes longer is repeated.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Pause before a repetition, where the API names no longer one.
const PAUSE: Duration = Duration::from_millis(400);
/// `Retry-After` is honoured up to here: a run has no minutes to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Where and as whom leads are posted.
#[derive(Clone)]
pub(super) struct Customer {
    client: Client,
    base: String,
    key: String,
}

/// What an answer means for the next step.
enum Verdict {
    Accepted(String, String),
    Refused,
    Again(Duration),
}

impl Customer {
    pub(super) fn new(base: &str, key: &str) -> Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { client, base: base.to_owned(), key: key.to_owned() })
    }

    /// Posts the lead until it is answered for good or `patience` is over.
    pub(super) async fn post(&self, role: &Role, flow: &str, patience: Duration) -> Lead {
        let mut lead = Lead::of(role);
        let body = body(role, flow);
        let begun = Instant::now();
        while begun.elapsed() < patience {
            match self.send(role, &body, &mut lead).await {
                Verdict::Accepted(id, call) => {
                    lead.accepted = Some((id, call));
                    if role.repeats {
                        lead.repeated = self.repeat(role, &body, &mut lead, patience).await;
                    }
                    return lead;
                }
                Verdict::Refused => {
                    lead.refused = true;
                    return lead;
                }
                Verdict::Again(pause) => {
                    lead.retries += 1;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        lead
    }

    /// The same again, as if the answer had got lost.
    async fn repeat(&self, role: &Role, body: &Value, lead: &mut Lead, patience: Duration) -> Option<String> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            match self.send(role, body, lead).await {
                Verdict::Accepted(id, _) => return Some(id),
                Verdict::Refused => return Some("refused".to_owned()),
                Verdict::Again(pause) => tokio::time::sleep(pause).await,
            }
        }
        None
    }

    async fn send(&self, role: &Role, body: &Value, lead: &mut Lead) -> Verdict {
        let request = self
            .client
            .post(format!("{}/v1/leads", self.base))
            .bearer_auth(&self.key)
            .header("idempotency-key", format!("chaos-{}", role.number.trim_start_matches('+')))
            .json(body);
        match request.send().await {
            Ok(response) => judge(response, lead).await,
            Err(_) => Verdict::Again(PAUSE),
        }
    }

    /// Cancels a lead that waits; whether it was canceled.
    pub(super) async fn cancel(&self, lead: &str) -> bool {
        for _ in 0..20 {
            let request = self.client.delete(format!("{}/v1/leads/{lead}", self.base)).bearer_auth(&self.key);
            match request.send().await.map(|response| response.status()) {
                Ok(StatusCode::OK) => return true,
                Ok(status) if status.is_client_error() => return false,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        false
    }
}

fn body(role: &Role, flow: &str) -> Value {
    json!({
        "source": "chaos", "phone": role.number, "name": "A Name", "language": "en", "flow_id": flow,
        "consent": role.kind != super::cast::Kind::NoConsent,
        // An outage must not make a lead too late: that would be an end of its own.
        "call_within": "6h",
    })
}

async fn judge(response: Response, lead: &mut Lead) -> Verdict {
    let status = response.status();
    let named = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let pause = named.map_or(PAUSE, |seconds| Duration::from_secs(seconds).clamp(PAUSE, LONGEST_PAUSE));
    // A connection that breaks in the middle of an answer is a lost answer.
    let Ok(body) = response.json::<Value>().await else { return Verdict::Again(PAUSE) };
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    match status.as_u16() {
        202 => Verdict::Accepted(text("lead_id"), text("call_id")),
        422 => Verdict::Refused,
        429 => Verdict::Again(pause),
        503 => {
            lead.hasty += usize::from(named.is_none());
            lead.postponed += usize::from(named.is_some());
            Verdict::Again(pause)
        }
        other => {
            lead.odd.push(format!("{other} {}", text("code")));
            Verdict::Again(pause)
        }
    }
}
