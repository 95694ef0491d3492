//! Setting an account up from nothing: what `talkif up` does before the first lead.
//!
//! Everything is found by its name and made only where it is missing, so that it can be run
//! again at every start. Secrets come back only when they are made: the databases hold a digest
//! (keys) or a sealed form (webhook secrets, SIP passwords).

use crate::app::App;
use crate::auth::{self, WantedKey};
use crate::flows;
use crate::idempotency::{Kept, Once};
use crate::webhooks::{self, NewEndpoint};
use talkif_model::{AccountId, E164, FlowId, NumberId, Region, Scope, Scopes};
use talkif_problem::Problem;
use talkif_rules::api_key::Mode;
use talkif_rules::flow::Format;
use talkif_rules::{secret, signature};
use talkif_store::{DbError, Param, Row, Statement, accounts, auth as auth_sql, numbers, webhooks_admin};

/// Everything an account needs to call its first lead.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The account's name: it is found by it.
    pub account: String,
    /// Its home. Must be the region of the [`App`] that sets it up.
    pub home: Region,
    /// Its data may not leave its home region for any reason.
    pub strict_residency: bool,
    /// Where the edges of regions answer, this one and others.
    pub edges: Vec<(Region, String)>,
    /// Its API key.
    pub key: KeyPlan,
    /// Its flows, published in this order.
    pub flows: Vec<FlowPlan>,
    /// Its numbers.
    pub numbers: Vec<NumberPlan>,
    /// Where its events go.
    pub webhooks: Vec<WebhookPlan>,
}

/// The account's API key.
#[derive(Debug, Clone)]
pub struct KeyPlan {
    /// It is found by its name.
    pub name: String,
    /// Live or test.
    pub mode: Mode,
    /// Revoke the one there is and make another, because its secret was lost.
    pub renew: bool,
}

/// A flow's source.
#[derive(Debug, Clone)]
pub struct FlowPlan {
    /// To the letter.
    pub source: String,
    /// YAML or JSON.
    pub format: Format,
}

/// A number and the trunk behind it.
#[derive(Debug, Clone)]
pub struct NumberPlan {
    /// The number.
    pub phone: E164,
    /// A name for people.
    pub friendly_name: Option<String>,
    /// Where outbound calls go: `host:port`, or a SIP URI without user.
    pub termination_uri: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The trunk's user and password.
    pub credentials: Option<(String, String)>,
    /// The flow that answers inbound calls.
    pub flow_id: Option<FlowId>,
}

/// A webhook endpoint.
#[derive(Debug, Clone)]
pub struct WebhookPlan {
    /// It is found by its address.
    pub url: String,
    /// Patterns, such as `*`.
    pub events: Vec<String>,
    /// Where it was until now, if it moves: with all that waits to be delivered.
    pub formerly: Option<String>,
    /// Give the one there is another secret, because its own was lost.
    pub renew: bool,
}

/// What was set up.
#[derive(Clone)]
pub struct Bootstrapped {
    /// The account.
    pub account: AccountId,
    /// The whole API key, only if it was made now.
    pub api_key: Option<String>,
    /// The secret of each webhook, in the order of the plan, only where it was made now.
    pub webhook_secrets: Vec<Option<String>>,
}

/// Why an account cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The plan breaks a rule of the API.
    #[error("{}: {}{}", .0.code.as_str(), .0.detail, fields(.0))]
    Refused(Box<Problem>),
    /// The account of this name lives elsewhere.
    #[error("the account lives in {0}")]
    LivesElsewhere(Region),
    /// The number belongs to another account.
    #[error("the number {0} belongs to another account")]
    NumberTaken(String),
}

impl From<Problem> for BootstrapError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

fn fields(problem: &Problem) -> String {
    let inside = problem.inside.iter().map(|inside| format!("; {inside}"));
    let fields = problem.errors.iter().map(|error| format!("; {}: {}", error.field, error.message));
    inside.chain(fields).collect()
}

/// Sets the account up, or completes what an earlier run began.
///
/// # Errors
/// Any [`BootstrapError`]. What was done until then stays.
pub async fn bootstrap(app: &App, plan: Bootstrap) -> Result<Bootstrapped, BootstrapError> {
    for (region, url) in &plan.edges {
        directory(app, &accounts::PUT_REGION, vec![region.as_str().into(), url.as_str().into()]).await?;
    }
    let account = ensure_account(app, &plan).await?;
    let api_key = ensure_key(app, account, plan.key).await?;
    for flow in &plan.flows {
        flows::write(app, account, &flow.source, flow.format, None).await?;
    }
    for number in plan.numbers {
        put_number(app, account, plan.home, number).await?;
    }
    let mut webhook_secrets = Vec::new();
    for webhook in plan.webhooks {
        webhook_secrets.push(ensure_webhook(app, account, webhook).await?);
    }
    Ok(Bootstrapped { account, api_key, webhook_secrets })
}

async fn directory(app: &App, statement: &Statement, params: Vec<Param>) -> Result<Option<Row>, DbError> {
    app.ports.directory.query_one(statement, params).await
}

async fn region(app: &App, statement: &Statement, params: Vec<Param>) -> Result<Option<Row>, DbError> {
    app.ports.db.query_one(statement, params).await
}

async fn ensure_account(app: &App, plan: &Bootstrap) -> Result<AccountId, BootstrapError> {
    let (unix_ms, random) = app.id_seed();
    let params = vec![
        AccountId::new(unix_ms, random).sql().into(),
        plan.account.as_str().into(),
        plan.home.as_str().into(),
        plan.strict_residency.into(),
    ];
    let row = directory(app, &accounts::ENSURE, params).await?;
    let row = row.ok_or_else(|| DbError::Shape("accounts.ensure returned no row".to_owned()))?;
    let home: Region = row.parse("home_region")?;
    if home != plan.home {
        return Err(BootstrapError::LivesElsewhere(home));
    }
    let account = AccountId::from_uuid(row.uuid("id")?);
    region(app, &accounts::PUT_SETTINGS, vec![account.sql().into(), plan.account.as_str().into()]).await?;
    Ok(account)
}

async fn ensure_key(app: &App, account: AccountId, plan: KeyPlan) -> Result<Option<String>, BootstrapError> {
    let params = vec![account.sql().into(), plan.name.as_str().into()];
    if let Some(row) = directory(app, &accounts::FIND_KEY_BY_NAME, params).await? {
        if !plan.renew {
            return Ok(None);
        }
        directory(app, &auth_sql::REVOKE_KEY, vec![account.sql().into(), row.text("id")?.into()]).await?;
    }
    let everything = Scopes(vec![Scope { resource: None, access: None }]);
    let wanted = WantedKey {
        name: plan.name,
        mode: plan.mode,
        scopes: everything,
        allowed_cidrs: Vec::new(),
        expires_us: None,
    };
    let once = Once::unasked(app, account, Kept::SealedInDirectory);
    let (made, _) = auth::make(app, &once, wanted).await?;
    Ok(Some(made.into_secret()))
}

/// The directory decides first whose number it is.
async fn put_number(
    app: &App,
    account: AccountId,
    home: Region,
    plan: NumberPlan,
) -> Result<(), BootstrapError> {
    let phone = plan.phone.as_str();
    let taken = || BootstrapError::NumberTaken(plan.phone.masked());
    let params = vec![account.sql().into(), phone.into(), home.as_str().into()];
    directory(app, &numbers::OWN, params).await?.ok_or_else(taken)?;
    let (unix_ms, random) = app.id_seed();
    let (user, password) = plan.credentials.unzip();
    let key = app.ports.config.sealing_key()?;
    let sealed = password.map(|password| secret::seal(key, &password));
    let params = vec![
        account.sql().into(),
        NumberId::new(unix_ms, random).sql().into(),
        phone.into(),
        plan.friendly_name.into(),
        plan.termination_uri.into(),
        plan.transport.into(),
        user.into(),
        sealed.into(),
        plan.flow_id.map(|flow| flow.to_string()).into(),
    ];
    region(app, &numbers::PUT, params).await?.ok_or_else(taken)?;
    Ok(())
}

async fn ensure_webhook(
    app: &App,
    account: AccountId,
    plan: WebhookPlan,
) -> Result<Option<String>, BootstrapError> {
    let wanted = NewEndpoint { url: plan.url, events: plan.events };
    let Some(id) = find_webhook(app, account, &wanted.url, plan.formerly.as_deref()).await? else {
        let once = Once::unasked(app, account, Kept::Sealed);
        let (made, _) = webhooks::make(app, &once, wanted).await?;
        return Ok(Some(made.into_secret()));
    };
    if !plan.renew {
        return Ok(None);
    }
    let secret = signature::new_secret(app.random());
    let sealed = secret::seal(app.ports.config.sealing_key()?, &secret);
    let params =
        vec![account.sql().into(), id.into(), wanted.url.into(), sealed.into(), wanted.events.into()];
    region(app, &webhooks_admin::RENEW, params).await?;
    Ok(Some(secret))
}

/// The endpoint at `url`, or the one that was at `formerly`.
async fn find_webhook(
    app: &App,
    account: AccountId,
    url: &str,
    formerly: Option<&str>,
) -> Result<Option<String>, BootstrapError> {
    for url in [Some(url), formerly].into_iter().flatten() {
        let params = vec![account.sql().into(), url.into()];
        if let Some(row) = region(app, &webhooks_admin::FIND_BY_URL, params).await? {
            return Ok(Some(row.text("id")?.to_owned()));
        }
    }
    Ok(None)
}
