//! The one statement that writes leads, and the word to the dialers.

use super::admit::Facts;
use super::rows::{NewIds, Rows};
use crate::app::{App, database};
use crate::auth::Caller;
use crate::http::Reply;
use crate::idempotency::Once;
use serde::Serialize;
use talkif_model::{E164, FlowId};
use talkif_problem::Problem;
use talkif_store::{Param, leads};
use tracing::warn;

/// What every statement of one request shares.
pub(super) struct Request<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) once: &'a Once<'a>,
}

impl Request<'_> {
    /// What is known about leads with these `phones`.
    pub(super) async fn facts(
        &self,
        phones: Vec<String>,
        flow: Option<&FlowId>,
        from_number: Option<String>,
    ) -> Result<Facts, Problem> {
        let [route, key] = self.once.name();
        let params = vec![
            self.caller.account.sql().into(),
            phones.into(),
            flow.map(|flow| flow.as_str().to_owned()).into(),
            from_number.into(),
            route,
            key,
        ];
        let row = self.app.ports.db.query_one(&leads::FACTS, params).await.map_err(database)?;
        let row = row.ok_or_else(|| Problem::internal("leads.facts returned no row"))?;
        Facts::read(&row).map_err(database)
    }

    /// Writes everything, answers `reply`; or, where the same key was used a moment earlier by
    /// another request, answers what that one did.
    pub(super) async fn write(&self, rows: &Rows, reply: Reply) -> Result<Reply, Problem> {
        let rest = vec![json(&rows.leads)?, json(&rows.deliveries)?, json(&rows.spans)?];
        let written = self.once.write(&leads::CREATE, rest, reply).await?;
        written.ok_or_else(|| Problem::internal("leads.create wrote nothing, and nobody else did"))
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
