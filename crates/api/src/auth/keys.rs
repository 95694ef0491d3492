//! `/v1/api-keys`: making, listing and revoking keys.

use super::Caller;
use crate::app::{App, database, not_found, rfc3339};
use crate::http::{Incoming, Page, PageMeta, Reply};
use crate::idempotency::{Kept, Once};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use talkif_model::{ApiKeyId, Scopes};
use talkif_problem::{Code, FieldCode, FieldError, Problem, ProblemBody};
use talkif_rules::api_key::{self, Mode, NewKey};
use talkif_store::{DbError, Param, Row, auth};
use utoipa::ToSchema;

/// Longest name.
const MAX_NAME: usize = 100;
/// Most networks of one key.
const MAX_CIDRS: usize = 50;

/// A key to be made.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateApiKey {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `*`, `leads:write`, `calls:read`, `flows:*` … No more than the calling key has itself.
    #[schema(min_items = 1, example = json!(["leads:write", "calls:read"]))]
    scopes: Vec<String>,
    /// Networks from which the key may be used, such as `203.0.113.0/24`. None: from anywhere.
    #[serde(default)]
    #[schema(required = false)]
    allowed_cidrs: Vec<String>,
    /// RFC 3339. None: never.
    expires_at: Option<String>,
    /// `live` (default) or `test`.
    mode: Option<String>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// The key's id.
    #[schema(value_type = String)]
    key_id: ApiKeyId,
    /// A name for people.
    name: String,
    /// To tell keys apart.
    #[schema(example = "tif_live_aBc…hijk")]
    hint: String,
    /// `live` or `test`.
    mode: String,
    /// What it allows.
    scopes: Vec<String>,
    /// From where it may be used.
    allowed_cidrs: Vec<String>,
    /// RFC 3339.
    expires_at: Option<String>,
    /// RFC 3339. Revoked keys stay listed.
    revoked_at: Option<String>,
    /// RFC 3339.
    created_at: String,
}

/// A key just made. The secret is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiKey {
    /// The whole key.
    key: String,
    /// What is kept about it.
    #[serde(flatten)]
    api_key: ApiKey,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyList {
    /// The keys, oldest first.
    api_keys: Vec<ApiKey>,
    /// The page.
    meta: PageMeta,
}

/// Makes a key. At most 25 per account that are not revoked, and none stronger than its maker.
#[utoipa::path(post, path = "/v1/api-keys", operation_id = "create_api_key", tag = "api-keys",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters")),
    request_body = CreateApiKey,
    responses(
        (status = 201, description = "The key, shown once.", body = NewApiKey),
        (status = 400, description = "Fields are wrong.", body = ProblemBody),
        (status = 403, description = "The calling key is weaker.", body = ProblemBody),
        (status = 409, description = "The idempotency key was used with another body.", body = ProblemBody),
        (status = 422, description = "There are 25 keys.", body = ProblemBody)))]
pub(crate) async fn create(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let once = Once::of(&app, &caller, &incoming, "create_api_key", Kept::SealedInDirectory)?;
    if let Some(earlier) = once.earlier().await? {
        return Ok(earlier);
    }
    let wanted = check(incoming.json()?, app.now_us())?;
    if !caller.scopes.contain(&wanted.scopes) {
        let detail = "A key cannot make one that may do more than itself";
        return Err(Problem::new(Code::ApiKeyInsufficientScope, detail));
    }
    make(&app, &once, wanted).await.map(|(_, reply)| reply)
}

/// The account's keys, revoked and expired ones too.
#[utoipa::path(get, path = "/v1/api-keys", operation_id = "list_api_keys", tag = "api-keys",
    params(Page),
    responses((status = 200, description = "A page of keys.", body = ApiKeyList)))]
pub(crate) async fn list(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let page = incoming.page()?;
    let params = vec![caller.account.sql().into(), page.limit.into(), page.offset.into()];
    let rows = app.ports.directory.query(&auth::LIST_KEYS, params).await.map_err(database)?;
    let (api_keys, meta) = page.rows(&rows, read).map_err(database)?;
    Reply::ok(&ApiKeyList { api_keys, meta })
}

/// Revokes a key. It stops working within seconds. Again is no error.
#[utoipa::path(delete, path = "/v1/api-keys/{id}", operation_id = "revoke_api_key", tag = "api-keys",
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 204, description = "Revoked."),
        (status = 404, description = "No such key.", body = ProblemBody)))]
pub(crate) async fn revoke(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let id: ApiKeyId = incoming.id("id")?;
    let params = vec![caller.account.sql().into(), id.sql().into()];
    let row = app.ports.directory.query_one(&auth::REVOKE_KEY, params).await.map_err(database)?;
    row.map(|_| Reply::no_content()).ok_or_else(|| not_found("API key"))
}

/// A key whose fields have been checked.
pub(crate) struct WantedKey {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) scopes: Scopes,
    pub(crate) allowed_cidrs: Vec<String>,
    pub(crate) expires_us: Option<i64>,
}

fn check(body: CreateApiKey, now_us: i64) -> Result<WantedKey, Problem> {
    let mut errors = Vec::new();
    if !(1..=MAX_NAME).contains(&body.name.trim().chars().count()) {
        errors.push(FieldError::new(
            "name",
            FieldCode::OutOfRange,
            format!("It must be 1 to {MAX_NAME} characters"),
        ));
    }
    let scopes = check_scopes(&body.scopes, &mut errors);
    check_cidrs(&body.allowed_cidrs, &mut errors);
    let expires_us = body.expires_at.and_then(|text| check_expiry(&text, now_us, &mut errors));
    let mode = body.mode.as_deref().unwrap_or("live").parse().unwrap_or_else(|_| {
        errors.push(FieldError::new("mode", FieldCode::OutOfRange, "It must be `live` or `test`"));
        Mode::Test
    });
    if errors.is_empty() {
        let name = body.name.trim().to_owned();
        Ok(WantedKey { name, mode, scopes, allowed_cidrs: body.allowed_cidrs, expires_us })
    } else {
        Err(Problem::fields(errors))
    }
}

fn check_scopes(words: &[String], errors: &mut Vec<FieldError>) -> Scopes {
    if words.is_empty() {
        errors.push(FieldError::new("scopes", FieldCode::TooShort, "A key has at least one scope"));
    }
    let mut scopes = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.parse() {
            Ok(scope) => scopes.push(scope),
            Err(_) => {
                let message = "A scope is `*` or `resource:read`, `resource:write`, `resource:*`";
                errors.push(FieldError::new(format!("scopes[{at}]"), FieldCode::OutOfRange, message));
            }
        }
    }
    scopes.sort();
    scopes.dedup();
    Scopes(scopes)
}

fn check_cidrs(networks: &[String], errors: &mut Vec<FieldError>) {
    if networks.len() > MAX_CIDRS {
        let message = format!("At most {MAX_CIDRS} networks");
        errors.push(FieldError::new("allowed_cidrs", FieldCode::TooLong, message));
    }
    let bad = networks.iter().enumerate().filter(|(_, network)| api_key::parse_cidr(network).is_err());
    errors.extend(bad.map(|(at, _)| {
        let message = "It must be a network such as `203.0.113.0/24`";
        FieldError::new(format!("allowed_cidrs[{at}]"), FieldCode::InvalidFormat, message)
    }));
}

fn check_expiry(text: &str, now_us: i64, errors: &mut Vec<FieldError>) -> Option<i64> {
    let expires = text.parse::<Timestamp>().map(|time| time.as_microsecond()).ok();
    match expires {
        Some(expires_us) if expires_us > now_us => return expires,
        Some(_) => {
            errors.push(FieldError::new("expires_at", FieldCode::BelowMinimum, "It must lie in the future"))
        }
        None => errors.push(FieldError::new("expires_at", FieldCode::InvalidFormat, "It must be RFC 3339")),
    }
    None
}

/// Makes the key and the answer that shows it.
pub(crate) async fn make(
    app: &App,
    once: &Once<'_>,
    wanted: WantedKey,
) -> Result<(NewApiKey, Reply), Problem> {
    let NewKey { key, hint } = api_key::generate(wanted.mode, app.random());
    let (unix_ms, random) = app.id_seed();
    let now_us = app.now_us();
    let scopes: Vec<String> = wanted.scopes.0.iter().map(ToString::to_string).collect();
    let api_key = ApiKey {
        key_id: ApiKeyId::new(unix_ms, random),
        name: wanted.name,
        hint,
        mode: wanted.mode.to_string(),
        scopes,
        allowed_cidrs: wanted.allowed_cidrs,
        expires_at: wanted.expires_us.map(rfc3339),
        revoked_at: None,
        created_at: rfc3339(now_us),
    };
    let made = NewApiKey { key, api_key };
    let reply = Reply::json(StatusCode::CREATED, &made)?;
    let row = columns(&made, wanted.expires_us, now_us);
    let full = || Problem::new(Code::ApiKeyLimitReached, "An account has at most 25 keys; revoke one first");
    let reply = once.write(&auth::CREATE_KEY, row, reply).await?.ok_or_else(full)?;
    Ok((made, reply))
}

fn columns(made: &NewApiKey, expires_us: Option<i64>, now_us: i64) -> Vec<Param> {
    let key = &made.api_key;
    vec![
        key.key_id.sql().into(),
        key.name.as_str().into(),
        api_key::sha256(&made.key).to_vec().into(),
        key.hint.as_str().into(),
        key.mode.as_str().into(),
        key.scopes.clone().into(),
        key.allowed_cidrs.clone().into(),
        expires_us.into(),
        now_us.into(),
    ]
}

impl NewApiKey {
    /// The secret, for whoever set the account up.
    pub(crate) fn into_secret(self) -> String {
        self.key
    }
}

fn read(row: &Row) -> Result<ApiKey, DbError> {
    Ok(ApiKey {
        key_id: ApiKeyId::from_uuid(row.uuid("id")?),
        name: row.text("name")?,
        hint: row.text("hint")?,
        mode: row.text("mode")?,
        scopes: row.texts("scopes")?,
        allowed_cidrs: row.texts("allowed_cidrs")?,
        expires_at: row.opt_int("expires_us")?.map(rfc3339),
        revoked_at: row.opt_int("revoked_us")?.map(rfc3339),
        created_at: rfc3339(row.int("created_us")?),
    })
}
