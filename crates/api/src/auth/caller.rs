//! From a bearer key to the caller: lookup, expiry, address, region, scope.

use super::address::client_address;
use crate::app::{App, database};
use crate::http::Incoming;
use std::sync::Arc;
use talkif_model::{AccountId, ApiKeyId, Region, Scope, Scopes};
use talkif_problem::{Code, Problem};
use talkif_rules::api_key;
use talkif_store::{DbError, Row, auth};

/// Who is calling, and what the key allows.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant of everything this request may touch.
    pub account: AccountId,
    /// The key.
    pub key: ApiKeyId,
    /// What the key allows.
    pub scopes: Scopes,
}

/// What the directory knows about a key.
#[derive(Debug, Clone)]
pub(super) struct KeyRecord {
    caller: Caller,
    cidrs: Vec<String>,
    expires_us: Option<i64>,
    revoked: bool,
    suspended: bool,
    home: Region,
    strict: bool,
    home_url: Option<String>,
}

/// Finds out who is calling and whether they may do what needs `scope`.
pub(crate) async fn authenticate(app: &App, request: &Incoming, scope: Scope) -> Result<Caller, Problem> {
    let token = request.bearer().ok_or_else(|| {
        Problem::new(Code::TokenMissing, "Send your API key as `Authorization: Bearer tif_live_…`")
    })?;
    let record = find(app, token).await?;
    check_life(&record, app.now_us())?;
    check_address(&record, app, request)?;
    check_region(&record, app.ports.config.region)?;
    check_scope(&record, scope)?;
    Ok(record.caller.clone())
}

async fn find(app: &App, token: &str) -> Result<Arc<KeyRecord>, Problem> {
    let unknown = || Problem::new(Code::ApiKeyInvalid, "There is no such API key");
    api_key::parse(token).ok_or_else(unknown)?;
    let (digest, now_us) = (api_key::sha256(token), app.now_us());
    if let Some(record) = app.keys.get(&digest, now_us) {
        return Ok(record);
    }
    let row = app.ports.directory.query_one(&auth::FIND_KEY, vec![digest.to_vec().into()]).await;
    let row = row.map_err(database)?.ok_or_else(unknown)?;
    let record = Arc::new(read(&row).map_err(database)?);
    app.keys.put(digest, now_us, Arc::clone(&record));
    Ok(record)
}

fn read(row: &Row) -> Result<KeyRecord, DbError> {
    Ok(KeyRecord {
        caller: Caller {
            account: AccountId::from_uuid(row.uuid("account_id")?),
            key: ApiKeyId::from_uuid(row.uuid("id")?),
            scopes: scopes(&row.texts("scopes")?)?,
        },
        cidrs: row.texts("allowed_cidrs")?,
        expires_us: row.opt_int("expires_us")?,
        revoked: row.bool("revoked")?,
        suspended: row.bool("suspended")?,
        home: row.parse("home_region")?,
        strict: row.bool("strict_residency")?,
        home_url: row.opt_text("edge_url")?,
    })
}

fn scopes(words: &[String]) -> Result<Scopes, DbError> {
    let impossible = |_| DbError::Shape("column `scopes` has an impossible value".to_owned());
    words.iter().map(|word| word.parse().map_err(impossible)).collect::<Result<_, _>>().map(Scopes)
}

fn check_life(record: &KeyRecord, now_us: i64) -> Result<(), Problem> {
    if record.revoked {
        return Err(Problem::new(Code::ApiKeyRevoked, "This API key was revoked"));
    }
    if record.expires_us.is_some_and(|expires_us| expires_us <= now_us) {
        return Err(Problem::new(Code::ApiKeyExpired, "This API key has expired"));
    }
    if record.suspended {
        return Err(Problem::new(Code::AccountSuspended, "The account is suspended"));
    }
    Ok(())
}

fn check_address(record: &KeyRecord, app: &App, request: &Incoming) -> Result<(), Problem> {
    if record.cidrs.is_empty() {
        return Ok(());
    }
    let address = client_address(request, app.ports.config.trust_forwarded);
    let allowed = |address| api_key::address_allowed(&record.cidrs, address).unwrap_or(false);
    if address.is_some_and(allowed) {
        return Ok(());
    }
    Err(Problem::new(Code::ApiKeyIpRestricted, "This API key may not be used from your address"))
}

/// An account's data stays in its home region: elsewhere the answer is where that is.
fn check_region(record: &KeyRecord, here: Region) -> Result<(), Problem> {
    if record.home == here {
        return Ok(());
    }
    let detail = format!("The account lives in {}; send the request to its edge", record.home);
    let mut problem = Problem::new(Code::WrongRegion, detail)
        .with_meta("region", record.home.as_str())
        .with_meta("strict", record.strict);
    if let Some(url) = &record.home_url {
        problem = problem.with_meta("url", url.as_str());
    }
    Err(problem)
}

fn check_scope(record: &KeyRecord, scope: Scope) -> Result<(), Problem> {
    if record.caller.scopes.allow(scope) {
        return Ok(());
    }
    let detail = format!("This operation needs the scope `{scope}`");
    Err(Problem::new(Code::ApiKeyInsufficientScope, detail).with_meta("scope", scope.to_string()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::auth) fn record() -> KeyRecord {
        KeyRecord {
            caller: Caller {
                account: AccountId::new(1, [1; 10]),
                key: ApiKeyId::new(1, [2; 10]),
                scopes: Scopes(vec!["leads:*".parse().unwrap()]),
            },
            cidrs: Vec::new(),
            expires_us: Some(1_000),
            revoked: false,
            suspended: false,
            home: Region::EuWest,
            strict: true,
            home_url: Some("https://eu-west.example".into()),
        }
    }

    #[test]
    fn a_key_expires_to_the_microsecond() {
        assert_eq!(check_life(&record(), 999), Ok(()));
        assert_eq!(check_life(&record(), 1_000).unwrap_err().code, Code::ApiKeyExpired);
    }

    #[test]
    fn a_revoked_key_says_so_even_when_it_has_expired() {
        let revoked = KeyRecord { revoked: true, ..record() };
        assert_eq!(check_life(&revoked, 2_000).unwrap_err().code, Code::ApiKeyRevoked);
    }

    #[test]
    fn the_wrong_region_answers_with_the_right_address() {
        let problem = check_region(&record(), Region::TrIst).unwrap_err();
        assert_eq!(problem.code, Code::WrongRegion);
        assert_eq!(problem.meta["url"], "https://eu-west.example");
        assert_eq!(check_region(&record(), Region::EuWest), Ok(()));
    }
}
