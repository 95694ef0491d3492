//! Calls: how they went, what was said, where transcript and recording lie.

mod fetch;
mod list;
mod wire;

pub(crate) use fetch::{__path_fetch, fetch};
pub(crate) use list::{__path_list, list};
