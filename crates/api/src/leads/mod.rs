//! Leads and lists: from a form's submit handler to a queued call.
//!
//! `wire` is what clients send, `check` what must hold for one lead by itself, `admit` what the
//! account's flows and numbers and the do-not-call list say, `rows` what is written. `create` and
//! `lists` put them together; both write by one statement.

mod admit;
mod cancel;
mod check;
mod create;
mod fetch;
mod limit;
mod lists;
mod rows;
mod wire;
mod write;

use crate::routes::{Route, route};

pub(crate) use cancel::{__path_cancel, cancel};
pub(crate) use create::{__path_create, create};
pub(crate) use fetch::{__path_fetch, fetch};
pub(crate) use lists::{__path_create_list, create_list};

/// The routes of the leads component.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route!(POST "/v1/leads" Leads Write, "create_lead" create),
    route!(GET "/v1/leads/{id}" Leads Read, "get_lead" fetch),
    route!(DELETE "/v1/leads/{id}" Leads Write, "cancel_lead" cancel),
    route!(POST "/v1/lists" Leads Write, "create_list" create_list),
];
