//! Calls: how they went, what was said, where transcript and recording lie.

mod fetch;
mod list;
mod wire;

use crate::numbers;
use crate::routes::{Route, route};

pub(crate) use fetch::{__path_fetch, fetch};
pub(crate) use list::{__path_list, list};

/// The routes of the calls component. Numbers are what calls come from.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route!(GET "/v1/calls" Calls Read, "list_calls" list),
    route!(GET "/v1/calls/{id}" Calls Read, "get_call" fetch),
    route!(GET "/v1/numbers" Numbers Read, "list_numbers" numbers::list),
];
