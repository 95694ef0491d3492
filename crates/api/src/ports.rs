//! What the API needs from the world. The components' shell and the tests bring it.

use async_trait::async_trait;
use std::sync::Arc;
use talkif_model::Region;
use talkif_problem::Problem;
use talkif_rules::secret::SealingKey;
use talkif_store::Db;

/// Everything a handler may reach for.
#[derive(Clone)]
pub struct Ports {
    /// The region's database.
    pub db: Arc<dyn Db>,
    /// The directory database.
    pub directory: Arc<dyn Db>,
    /// Rate limits.
    pub limits: Arc<dyn Limits>,
    /// Streams to the nodes.
    pub streams: Arc<dyn Streams>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness fit for secrets.
    pub rng: Arc<dyn Rng>,
    /// What the operator decided.
    pub config: Arc<Config>,
}

/// What the operator decided, by the component's variables. A component has only what its routes
/// need (see [`crate::routes::COMPONENTS`]); the rest is absent.
#[derive(Clone)]
pub struct Config {
    /// The region this edge serves.
    pub region: Region,
    /// Where clients reach this edge, without a slash at the end.
    pub public_url: Option<String>,
    /// Where transcripts and recordings lie.
    pub artifacts: Option<Artifacts>,
    /// Seals SIP passwords, webhook secrets, and answers that show a secret.
    pub sealing_key: Option<Arc<SealingKey>>,
    /// Development on one machine: webhooks may go to private addresses.
    pub local_mode: bool,
    /// A proxy we trust writes `x-forwarded-for`. Where there is none, clients could.
    pub trust_forwarded: bool,
}

/// Transcripts and recordings, for their signed addresses.
#[derive(Clone)]
pub struct Artifacts {
    /// Where they lie, without a slash at the end.
    pub url: String,
    /// Signs their addresses.
    pub key: Vec<u8>,
}

impl Config {
    /// The sealing key of a component that has it.
    pub(crate) fn sealing_key(&self) -> Result<&SealingKey, Problem> {
        self.sealing_key.as_deref().ok_or_else(|| not_given("fernet_key"))
    }

    /// The artifacts of a component that shows them.
    pub(crate) fn artifacts(&self) -> Result<&Artifacts, Problem> {
        self.artifacts.as_ref().ok_or_else(|| not_given("artifacts_key"))
    }

    /// The public address, in a component that tells it.
    pub(crate) fn public_url(&self) -> Result<&str, Problem> {
        self.public_url.as_deref().ok_or_else(|| not_given("public_url"))
    }
}

fn not_given(variable: &str) -> Problem {
    Problem::internal(format!("this component was not given the variable `{variable}`"))
}

/// A wall clock.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970, UTC.
    fn now_us(&self) -> i64;
}

/// A source of randomness fit for secrets.
pub trait Rng: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Redis cannot be reached. The request goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("redis is away: {0}")]
pub struct RedisAway(pub String);

/// Runs the rate limiter's script.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Evaluates a Lua script over one key and returns its flat list of integers.
    async fn eval(&self, script: &str, key: &str, args: &[String]) -> Result<Vec<i64>, RedisAway>;
}

/// Appends to streams.
#[async_trait]
pub trait Streams: Send + Sync {
    /// Appends one entry of `fields` to `stream`.
    async fn append(&self, stream: &str, fields: &[(&str, String)]) -> Result<(), RedisAway>;
}
