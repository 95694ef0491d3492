//! The one statement that writes leads, and the word to the dialers.

use super::admit::Facts;
use super::rows::{NewIds, Rows};
use crate::app::{App, database};
use crate::auth::Caller;
use crate::http::Reply;
use crate::idempotency::Idempotency;
use serde::Serialize;
use talkif_model::{E164, FlowId};
use talkif_problem::Problem;
use talkif_store::{Param, idempotency, leads};
use tracing::warn;

/// What every statement of one request shares.
pub(super) struct Request<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    /// Under which idempotency keys are kept.
    pub(super) route: &'static str,
    pub(super) idempotency: &'a Idempotency,
}

impl Request<'_> {
    /// What is known about leads with these `phones`.
    pub(super) async fn facts(
        &self,
        phones: Vec<String>,
        flow: Option<&FlowId>,
        from_number: Option<String>,
    ) -> Result<Facts, Problem> {
        let params = vec![
            self.caller.account.sql().into(),
            phones.into(),
            flow.map(|flow| flow.as_str().to_owned()).into(),
            from_number.into(),
            self.route.into(),
            self.idempotency.key.clone().into(),
        ];
        let row = self.app.ports.db.query_one(&leads::FACTS, params).await.map_err(database)?;
        let row = row.ok_or_else(|| Problem::internal("leads.facts returned no row"))?;
        Facts::read(&row).map_err(database)
    }

    /// Writes everything, answers `reply`; or, where the same key was used a moment earlier by
    /// another request, answers what that one did.
    pub(super) async fn write(&self, rows: &Rows, reply: Reply) -> Result<Reply, Problem> {
        let params = vec![
            self.caller.account.sql().into(),
            json(&rows.leads)?,
            json(&rows.deliveries)?,
            json(&rows.spans)?,
            self.route.into(),
            self.idempotency.key.clone().into(),
            self.idempotency.body_sha256.to_vec().into(),
            i64::from(reply.status.as_u16()).into(),
            reply.body.as_str().into(),
        ];
        let row = self.app.ports.db.query_one(&leads::CREATE, params).await.map_err(database)?;
        let row = row.ok_or_else(|| Problem::internal("leads.create returned no row"))?;
        if row.bool("written").map_err(database)? { Ok(reply) } else { self.earlier_answer().await }
    }

    async fn earlier_answer(&self) -> Result<Reply, Problem> {
        let params =
            vec![self.caller.account.sql().into(), self.route.into(), self.idempotency.key.clone().into()];
        let row = self.app.ports.db.query_one(&idempotency::FIND, params).await.map_err(database)?;
        let row = row.ok_or_else(|| Problem::internal("idempotency.find returned no row"))?;
        let status = u16::try_from(row.int("status").map_err(database)?).unwrap_or_default();
        let digest = row.text("body_sha256").map_err(database)?;
        self.idempotency.replay(&digest, status, row.text("response").map_err(database)?)
    }
}

/// As JSON in a text parameter.
fn json(value: &impl Serialize) -> Result<Param, Problem> {
    serde_json::to_string(value).map(Param::from).map_err(|error| Problem::internal(error.to_string()))
}

/// Tells the dialers. If Redis is away they find the calls in the database.
pub(super) async fn announce<'a>(app: &App, calls: impl Iterator<Item = &'a NewIds> + Send) {
    let stream = format!("talkif:{}:calls", app.ports.config.region);
    for ids in calls {
        let traceparent = format!("00-{}-{}-01", ids.trace_id, hex::encode(app.random::<8>()));
        let fields = [("call_id", ids.call.to_string()), ("traceparent", traceparent)];
        if let Err(error) = app.ports.streams.append(&stream, &fields).await {
            warn!(%error, "the dialers are not told; their sweep will find the calls");
            return;
        }
    }
}

/// The numbers of leads, as the statement takes them.
pub(super) fn phones<'a>(numbers: impl Iterator<Item = &'a E164>) -> Vec<String> {
    numbers.map(ToString::to_string).collect()
}
