//! Flows as code: publishing, reading, listing.

mod publish;
mod read;
mod wire;

pub(crate) use publish::{__path_publish, publish, write};
pub(crate) use read::{__path_fetch, __path_list, fetch, list};
