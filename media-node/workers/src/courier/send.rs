//! One attempt to deliver one event.

use super::address::{CheckedResolver, Lookup, check_url};
use super::schedule;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, redirect};
use std::sync::Arc;
use std::time::Duration;
use talkif_model::{AccountId, DeliveryId, EventId};
use talkif_rules::secret::{self, SealingKey};
use talkif_rules::signature;
use talkif_rules::target::Reach;
use talkif_store::{DbError, Row};

/// From connecting to the last response header.
const TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("Talkif-Webhooks/", env!("CARGO_PKG_VERSION"));

/// A leased delivery.
pub(super) struct Delivery {
    pub(super) account_id: AccountId,
    pub(super) id: DeliveryId,
    pub(super) event_id: EventId,
    pub(super) event_type: String,
    /// Counts from 1, this attempt included.
    pub(super) attempts: u32,
    payload: String,
    url: String,
    /// Sealed, the newest first.
    secrets: Vec<String>,
}

impl Delivery {
    pub(super) fn from_row(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.uuid("account_id")?),
            id: DeliveryId::from_uuid(row.uuid("id")?),
            event_id: EventId::from_uuid(row.uuid("event_id")?),
            event_type: row.text("event_type")?,
            attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
            payload: row.text("payload")?,
            url: row.text("url")?,
            secrets: std::iter::once(row.text("secret")?).chain(row.opt_text("old_secret")?).collect(),
        })
    }
}

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// 2xx.
    Delivered { status: u16 },
    /// 410: the receiver wants no more.
    Gone,
    /// Anything else, redirects included.
    Failed { status: Option<u16>, error: String, retry_after: Option<Duration> },
}

impl Attempt {
    fn failed(error: impl Into<String>) -> Self {
        Self::Failed { status: None, error: error.into(), retry_after: None }
    }
}

/// Signs and sends.
pub(super) struct Sender {
    client: Client,
    reach: Reach,
    sealing_key: Arc<SealingKey>,
}

impl Sender {
    pub(super) fn new(lookup: Lookup, reach: Reach, sealing_key: Arc<SealingKey>) -> reqwest::Result<Self> {
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            // A proxy would resolve names itself, unchecked.
            .no_proxy()
            .dns_resolver(CheckedResolver { lookup, reach })
            .build()?;
        Ok(Self { client, reach, sealing_key })
    }

    /// Tries once, at `now` (Unix seconds).
    pub(super) async fn send(&self, delivery: &Delivery, now: i64) -> Attempt {
        let url = match check_url(&delivery.url, self.reach) {
            Ok(url) => url,
            Err(refused) => return Attempt::failed(refused.to_string()),
        };
        let signatures = match self.sign(delivery, now) {
            Ok(signatures) => signatures,
            Err(error) => return Attempt::failed(error),
        };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", signatures.webhook_id)
            .header("webhook-timestamp", signatures.webhook_timestamp)
            .header("webhook-signature", signatures.webhook_signature)
            .header("talkif-signature", signatures.talkif_signature)
            .header("talkif-delivery-id", delivery.id.to_string())
            .body(delivery.payload.clone());
        match request.send().await {
            Ok(response) => judge(&response, now),
            Err(error) => Attempt::failed(describe(&error)),
        }
    }

    fn sign(&self, delivery: &Delivery, now: i64) -> Result<signature::Signatures, String> {
        let open = |sealed: &String| secret::open(&self.sealing_key, sealed);
        let secrets = delivery.secrets.iter().map(open).collect::<Result<Vec<_>, _>>();
        let secrets = secrets.map_err(|error| error.to_string())?;
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let event_id = delivery.event_id.to_string();
        signature::sign(&secrets, &event_id, now, delivery.payload.as_bytes())
            .map_err(|error| error.to_string())
    }
}

fn judge(response: &Response, now: i64) -> Attempt {
    let status = response.status();
    if status.is_success() {
        return Attempt::Delivered { status: status.as_u16() };
    }
    if status == StatusCode::GONE {
        return Attempt::Gone;
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Attempt::Failed {
        status: Some(status.as_u16()),
        error: format!("the receiver answered {}", status.as_u16()),
        retry_after: retry_after.and_then(|value| schedule::retry_after(value, now)),
    }
}

/// The innermost cause, without the URL: it may carry the customer's token.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer within 15 s".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(200).collect()
}
