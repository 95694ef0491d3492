//! Webhook endpoints: where events go. Delivering them is the courier's work in a node.

mod endpoints;
mod target;

pub(crate) use endpoints::{
    __path_create, __path_delete, __path_fetch, __path_list, create, delete, fetch, list,
};
pub(crate) use endpoints::{NewEndpoint, make};
