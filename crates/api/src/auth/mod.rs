//! Who is calling.

mod address;
mod cache;
mod caller;

pub(crate) use cache::KeyCache;
pub use caller::Caller;
pub(crate) use caller::authenticate;
