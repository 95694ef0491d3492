//! Every SQL statement of Talkif, by name, and the small port through which they run.
//!
//! A [`Statement`] is readable text with a name that is also its span. One change is one
//! statement: a `with` chain that writes the row, its event and its follow-up jobs together,
//! because guests have no transactions. Tenant-owned statements take the account first.
//!
//! Parameters and columns are limited to what both Spin's Postgres interface and sqlx carry
//! without loss ([`Param`], [`Cell`]): ids and enums travel as text (`$1::text::uuid`), times as
//! microseconds since 1970 in a bigint, json as text (`$3::text::jsonb`, `data::text`).
//!
//! To add a statement: a constant in the module of its domain, listed in that module's
//! `STATEMENTS`. To add a module: a line below and its `STATEMENTS` in [`ALL`], so that the
//! prepare test sees it.

pub mod accounts;
pub mod artifacts;
pub mod auth;
pub mod calls_read;
pub mod deliveries;
pub mod dialing;
pub mod directory;
pub mod flows;
pub mod idempotency;
pub mod inbound;
pub mod janitor;
pub mod journal;
pub mod leads;
#[cfg(feature = "native")]
pub mod native;
pub mod nodes;
pub mod numbers;
mod port;
pub mod webhooks_admin;

pub use port::{Cell, Db, DbError, Param, Row, Statement};

/// Every statement of every module. `tests/every_statement.rs` prepares them all against a
/// migrated database.
pub const ALL: &[&[Statement]] = &[
    accounts::STATEMENTS,
    artifacts::STATEMENTS,
    auth::STATEMENTS,
    calls_read::STATEMENTS,
    deliveries::STATEMENTS,
    dialing::STATEMENTS,
    directory::STATEMENTS,
    flows::STATEMENTS,
    idempotency::STATEMENTS,
    inbound::STATEMENTS,
    janitor::STATEMENTS,
    journal::STATEMENTS,
    leads::STATEMENTS,
    nodes::STATEMENTS,
    numbers::STATEMENTS,
    webhooks_admin::STATEMENTS,
];
