//! Who is calling, and the keys that say so.

mod address;
mod cache;
mod caller;
mod keys;

use crate::routes::{Route, route};

pub(crate) use cache::KeyCache;
pub use caller::Caller;
pub(crate) use caller::authenticate;
pub(crate) use keys::{__path_create, __path_list, __path_revoke, create, list, revoke};
pub(crate) use keys::{WantedKey, make};

/// The routes of the auth component.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    route!(POST "/v1/api-keys" ApiKeys Write, "create_api_key" create),
    route!(GET "/v1/api-keys" ApiKeys Read, "list_api_keys" list),
    route!(DELETE "/v1/api-keys/{id}" ApiKeys Write, "revoke_api_key" revoke),
];
