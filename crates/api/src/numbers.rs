//! `GET /v1/numbers`.

use crate::app::{App, database, rfc3339};
use crate::auth::Caller;
use crate::http::{Incoming, Page, PageMeta, Reply};
use serde::Serialize;
use std::sync::Arc;
use talkif_model::NumberId;
use talkif_problem::{Problem, ProblemBody};
use talkif_store::{DbError, Row, numbers};
use utoipa::ToSchema;

/// A page of numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct NumberList {
    /// The numbers, oldest first.
    numbers: Vec<Number>,
    /// The page.
    meta: PageMeta,
}

/// One of the account's numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Number {
    /// The number's id.
    #[schema(value_type = String)]
    number_id: NumberId,
    /// E.164.
    #[schema(example = "+902125550100")]
    phone: String,
    /// A name for people.
    friendly_name: Option<String>,
    /// `active`, `pending` or `suspended`. Only active numbers call.
    #[schema(example = "active")]
    status: String,
    /// The flow that answers.
    flow_id: Option<String>,
    /// RFC 3339.
    created_at: String,
}

/// The account's provisioned numbers.
#[utoipa::path(get, path = "/v1/numbers", operation_id = "list_numbers", tag = "numbers",
    params(Page),
    responses(
        (status = 200, description = "A page of numbers.", body = NumberList),
        (status = 400, description = "A parameter is wrong.", body = ProblemBody)))]
pub(crate) async fn list(app: Arc<App>, caller: Caller, incoming: Incoming) -> Result<Reply, Problem> {
    let page = incoming.page()?;
    let params = vec![caller.account.sql().into(), page.limit.into(), page.offset.into()];
    let rows = app.ports.db.query(&numbers::LIST, params).await.map_err(database)?;
    let (numbers, meta) = page.rows(&rows, read).map_err(database)?;
    Reply::ok(&NumberList { numbers, meta })
}

fn read(row: &Row) -> Result<Number, DbError> {
    Ok(Number {
        number_id: NumberId::from_uuid(row.uuid("id")?),
        phone: row.text("phone")?,
        friendly_name: row.opt_text("friendly_name")?,
        status: row.text("status")?,
        flow_id: row.opt_text("flow_id")?,
        created_at: rfc3339(row.int("created_us")?),
    })
}
