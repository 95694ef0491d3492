//! Idempotency keys: the same request twice has one effect and one answer.
//!
//! Every route that creates something asks [`Once`]: first for an earlier answer, then to write.
//! The statement that creates keeps the answer, so a request that was cut off has either done
//! both or nothing, and of several at the same time one creates and the others replay.

use crate::app::{App, database};
use crate::auth::Caller;
use crate::http::{Incoming, Reply};
use http::StatusCode;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use talkif_model::AccountId;
use talkif_problem::{Code, Problem};
use talkif_rules::secret;
use talkif_store::{Db, Param, Statement, idempotency};

/// Longest key.
const MAX_LENGTH: usize = 255;

/// Where and how answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the region.
    Plain,
    /// In the region, sealed: the answer shows a secret.
    Sealed,
    /// In the directory, sealed: the answer shows a secret.
    SealedInDirectory,
}

/// A request that is to have its effect once.
pub(crate) struct Once<'a> {
    app: &'a App,
    account: AccountId,
    route: &'static str,
    kept: Kept,
    /// `None`: the client did not ask for it.
    key: Option<String>,
    body_sha256: [u8; 32],
}

impl<'a> Once<'a> {
    /// Reads `Idempotency-Key`: 1 to 255 visible ASCII characters. Keys of different `route`s
    /// are apart.
    pub(crate) fn of(
        app: &'a App,
        caller: &Caller,
        request: &Incoming,
        route: &'static str,
        kept: Kept,
    ) -> Result<Self, Problem> {
        let body_sha256 = Sha256::digest(request.body()).into();
        let once = Self { route, kept, body_sha256, ..Self::unasked(app, caller.account, kept) };
        let Some(value) = request.headers().get("idempotency-key") else { return Ok(once) };
        let key = value.to_str().ok().filter(|key| (1..=MAX_LENGTH).contains(&key.len()));
        let key = key.ok_or_else(|| {
            let detail = format!("`Idempotency-Key` must be 1 to {MAX_LENGTH} ASCII characters");
            Problem::new(Code::BadRequest, detail)
        })?;
        Ok(Self { key: Some(key.to_owned()), ..once })
    }

    /// For work that no request asked for.
    pub(crate) fn unasked(app: &'a App, account: AccountId, kept: Kept) -> Self {
        Self { app, account, route: "", kept, key: None, body_sha256: [0; 32] }
    }

    /// The route, and the key if there is one, as statements take them.
    pub(crate) fn name(&self) -> [Param; 2] {
        [self.route.into(), self.key.clone().into()]
    }

    /// The answer that was given to this request before.
    pub(crate) async fn earlier(&self) -> Result<Option<Reply>, Problem> {
        if self.key.is_none() {
            return Ok(None);
        }
        let [route, key] = self.name();
        let params = vec![self.account.sql().into(), route, key];
        let Some(row) = self.db().query_one(self.find(), params).await.map_err(database)? else {
            return Ok(None);
        };
        let status = u16::try_from(row.int("status").map_err(database)?).unwrap_or_default();
        let digest = row.text("body_sha256").map_err(database)?;
        self.replay(&digest, status, row.text("response").map_err(database)?).map(Some)
    }

    /// Runs a `statement` that creates something and keeps `reply` (see
    /// [`talkif_store::idempotency`]); `rest` are its parameters from the seventh on. Answers
    /// `reply`; or, where the same key was used a moment earlier by another request, what that
    /// one answered; or nothing, where there was no room.
    pub(crate) async fn write(
        &self,
        statement: &Statement,
        rest: Vec<Param>,
        reply: Reply,
    ) -> Result<Option<Reply>, Problem> {
        let mut params = self.params(&reply)?;
        params.extend(rest);
        let row = self.db().query_one(statement, params).await.map_err(database)?;
        let row = row.ok_or_else(|| Problem::internal(format!("{} returned no row", statement.name)))?;
        if row.bool("written").map_err(database)? { Ok(Some(reply)) } else { self.earlier().await }
    }

    /// Keeps the answer to a request whose effect is the same however often it is made.
    pub(crate) async fn keep(&self, reply: Reply) -> Result<Reply, Problem> {
        if self.key.is_none() {
            return Ok(reply);
        }
        let kept = self.write(&idempotency::KEEP, Vec::new(), reply).await?;
        kept.ok_or_else(|| Problem::internal("an idempotency key was taken and then free"))
    }

    /// A stored answer, if it was given to the same body.
    pub(crate) fn replay(&self, body_sha256: &str, status: u16, stored: String) -> Result<Reply, Problem> {
        if body_sha256 != hex::encode(self.body_sha256) {
            let detail = "This idempotency key was used with another body in the last 24 hours";
            return Err(Problem::new(Code::Conflict, detail));
        }
        let internal = |error: String| Problem::internal(error);
        let body = match self.kept {
            Kept::Plain => stored,
            Kept::Sealed | Kept::SealedInDirectory => {
                secret::open(self.app.ports.config.sealing_key()?, &stored)
                    .map_err(|error| internal(error.to_string()))?
            }
        };
        let status = StatusCode::from_u16(status).map_err(|error| internal(error.to_string()))?;
        Ok(Reply { status, body, replayed: true })
    }

    fn params(&self, reply: &Reply) -> Result<Vec<Param>, Problem> {
        let [route, key] = self.name();
        Ok(vec![
            self.account.sql().into(),
            route,
            key,
            self.body_sha256.to_vec().into(),
            i64::from(reply.status.as_u16()).into(),
            self.sealed(&reply.body)?.into(),
        ])
    }

    /// What is stored of an answer: nothing where it will not be kept.
    fn sealed(&self, body: &str) -> Result<String, Problem> {
        match (self.kept, &self.key) {
            (_, None) => Ok(String::new()),
            (Kept::Plain, Some(_)) => Ok(body.to_owned()),
            _ => Ok(secret::seal(self.app.ports.config.sealing_key()?, body)),
        }
    }

    fn db(&self) -> &Arc<dyn Db> {
        match self.kept {
            Kept::Plain | Kept::Sealed => &self.app.ports.db,
            Kept::SealedInDirectory => &self.app.ports.directory,
        }
    }

    fn find(&self) -> &'static Statement {
        match self.kept {
            Kept::Plain | Kept::Sealed => &idempotency::FIND,
            Kept::SealedInDirectory => &idempotency::FIND_IN_DIRECTORY,
        }
    }
}
