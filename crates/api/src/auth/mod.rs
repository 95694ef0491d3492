//! Who is calling, and the keys that say so.

mod address;
mod cache;
mod caller;
mod keys;

pub(crate) use cache::KeyCache;
pub use caller::Caller;
pub(crate) use caller::authenticate;
pub(crate) use keys::{__path_create, __path_list, __path_revoke, create, list, revoke};
pub(crate) use keys::{WantedKey, make};
