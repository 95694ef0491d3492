//! Flows as code: publishing, reading, listing.

mod publish;
mod read;
mod wire;

use crate::routes::{Route, route};

pub(crate) use publish::{__path_publish, publish, write};
pub(crate) use read::{__path_fetch, __path_list, fetch, list};

/// The routes of the flows component.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route!(POST "/v1/flows" Flows Write, "publish_flow" publish),
    route!(GET "/v1/flows" Flows Read, "list_flows" list),
    route!(GET "/v1/flows/{id}" Flows Read, "get_flow" fetch),
];
