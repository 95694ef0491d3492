//! The one error body of the public API, and the catalogue of its codes.
//!
//! Every error that a client sees is a [`Problem`], rendered in one place
//! ([`Problem::into_response`]). A problem has an outside (code, detail, field errors) and an
//! inside ([`Problem::inside`]), which goes to the log once and never to a client.
//!
//! This crate knows no route, no database and no framework.
//!
//! To add a code: one line in [`code`]. Mint one only if a client would branch on it.

mod body;
pub mod code;
mod field;

pub use body::{Problem, ProblemBody};
pub use code::Code;
pub use field::{FieldCode, FieldError};
