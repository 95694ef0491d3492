//! An account with a number, a key and a webhook endpoint, as `up` and `demo` need one.

use crate::stack::{Stack, TRUNK_PASSWORD, TRUNK_USER};
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use rand::RngCore as _;
use std::path::PathBuf;
use std::sync::Arc;
use talkif_api::App;
use talkif_api::bootstrap::{Bootstrap, KeyPlan, NumberPlan, WebhookPlan, bootstrap};
use talkif_api::ports::{Clock, Config, Limits, Ports, RedisAway, Rng, Streams};
use talkif_rules::api_key::Mode;
use talkif_rules::secret::SealingKey;
use talkif_store::Db;
use talkif_store::native;

/// The number of a local account, where `TALKIF_NUMBER` names none. Its range is reserved for use
/// in fiction, so that it is nobody's.
const NUMBER: &str = "+442079460123";

/// A customer of this installation.
pub(crate) struct Tenant {
    /// The API key, whole.
    pub(crate) key: String,
    /// The endpoint's secret.
    pub(crate) webhook_secret: String,
    /// The number that calls and is called.
    pub(crate) number: String,
}

impl Tenant {
    /// Makes the account `name`, its number on the lab's carrier, and an endpoint at
    /// `webhook_url`. Run again, it finds the account and makes a new key and secret: those
    /// shown before are lost by design.
    pub(crate) async fn create(stack: &Stack, name: &str, webhook_url: &str) -> Result<Self> {
        let app = bare_app(stack).await?;
        let made =
            bootstrap(&app, plan(stack, name, webhook_url)?).await.context("setting up the account")?;
        std::fs::write(endpoint_note(stack), webhook_url).context("writing to the state folder")?;
        let secret = made.webhook_secrets.into_iter().next().flatten();
        Ok(Self {
            key: made.api_key.context("no key was made")?,
            webhook_secret: secret.context("no webhook secret was made")?,
            number: number(),
        })
    }
}

/// Remembers where webhooks went, so that another address moves the endpoint and adds none.
fn endpoint_note(stack: &Stack) -> PathBuf {
    stack.options().state.join("webhook-url")
}

fn plan(stack: &Stack, name: &str, webhook_url: &str) -> Result<Bootstrap> {
    let region = stack.options().region;
    let (carrier, credentials) = trunk(stack)?;
    let number = NumberPlan {
        phone: number().parse().context("TALKIF_NUMBER")?,
        friendly_name: Some("Local line".to_owned()),
        termination_uri: carrier,
        transport: "udp".to_owned(),
        credentials,
        flow_id: Some(super::EXAMPLE_FLOW.parse()?),
    };
    Ok(Bootstrap {
        account: name.to_owned(),
        home: region,
        strict_residency: false,
        edges: vec![(region, stack.api_url.clone())],
        key: KeyPlan { name: "local".to_owned(), mode: Mode::Live, renew: true },
        flows: Vec::new(),
        numbers: vec![number],
        webhooks: vec![WebhookPlan {
            url: webhook_url.to_owned(),
            events: vec!["*".to_owned()],
            formerly: std::fs::read_to_string(endpoint_note(stack)).ok(),
            renew: true,
        }],
    })
}

/// The API without Redis: enough to set accounts up.
pub(crate) async fn bare_app(stack: &Stack) -> Result<App> {
    Ok(App::new(ports(stack).await?))
}

fn named(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number() -> String {
    named("TALKIF_NUMBER").unwrap_or_else(|| NUMBER.to_owned())
}

/// The carrier's address, and user and password on it: the lab's, or the environment's.
fn trunk(stack: &Stack) -> Result<(String, Option<(String, String)>)> {
    if let Some(lab) = &stack.lab {
        return Ok((lab.sip.clone(), Some((TRUNK_USER.to_owned(), TRUNK_PASSWORD.to_owned()))));
    }
    let carrier = named("TALKIF_TRUNK").context(
        "with the vendors' keys set, calls go out for real: name your carrier's host:port in TALKIF_TRUNK, \
         or unset one of the keys to call the phone lab",
    )?;
    Ok((carrier, named("TALKIF_TRUNK_USER").zip(named("TALKIF_TRUNK_PASSWORD"))))
}

async fn ports(stack: &Stack) -> Result<Ports> {
    let db: Arc<dyn Db> = Arc::new(native::connect(&stack.database_url).await?);
    let directory: Arc<dyn Db> = Arc::new(native::connect(&stack.directory_url).await?);
    let config = Config {
        region: stack.options().region,
        public_url: None,
        artifacts: None,
        sealing_key: Some(Arc::new(SealingKey::parse(&stack.secrets.fernet_key).context("the Fernet key")?)),
        local_mode: true,
        trust_forwarded: false,
    };
    Ok(Ports {
        db,
        directory,
        limits: Arc::new(NoRedis),
        streams: Arc::new(NoRedis),
        clock: Arc::new(System),
        rng: Arc::new(System),
        config: Arc::new(config),
    })
}

/// Setting an account up is not limited and queues nothing.
struct NoRedis;

#[async_trait]
impl Limits for NoRedis {
    async fn eval(&self, _script: &str, _key: &str, _args: &[String]) -> Result<Vec<i64>, RedisAway> {
        Err(RedisAway("not used while setting up".to_owned()))
    }
}

#[async_trait]
impl Streams for NoRedis {
    async fn append(&self, _stream: &str, _fields: &[(&str, String)]) -> Result<(), RedisAway> {
        Err(RedisAway("not used while setting up".to_owned()))
    }
}

/// The machine's clock and randomness.
pub(crate) struct System;

impl Clock for System {
    fn now_us(&self) -> i64 {
        jiff::Timestamp::now().as_microsecond()
    }
}

impl Rng for System {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}
