//! Webhook endpoints: where events go. Delivering them is the courier's work in a node.

mod endpoints;
mod target;

use crate::routes::{Route, route};

pub(crate) use endpoints::{
    __path_create, __path_delete, __path_fetch, __path_list, create, delete, fetch, list,
};
pub(crate) use endpoints::{NewEndpoint, make};

/// The routes of the webhooks component.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route!(POST "/v1/webhook-endpoints" Webhooks Write, "create_webhook_endpoint" create),
    route!(GET "/v1/webhook-endpoints" Webhooks Read, "list_webhook_endpoints" list),
    route!(GET "/v1/webhook-endpoints/{id}" Webhooks Read, "get_webhook_endpoint" fetch),
    route!(DELETE "/v1/webhook-endpoints/{id}" Webhooks Write, "delete_webhook_endpoint" delete),
];
