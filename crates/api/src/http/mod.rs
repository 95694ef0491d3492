//! The HTTP side of every route: reading requests, writing replies, routing.

mod body;
mod incoming;
mod query;
mod reply;
pub mod router;

pub(crate) use body::escapes_nul;
pub use incoming::Incoming;
pub use query::Page;
pub(crate) use query::PageMeta;
pub use reply::Reply;
