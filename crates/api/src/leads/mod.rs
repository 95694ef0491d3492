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

pub(crate) use cancel::{__path_cancel, cancel};
pub(crate) use create::{__path_create, create};
pub(crate) use fetch::{__path_fetch, fetch};
pub(crate) use lists::{__path_create_list, create_list};
