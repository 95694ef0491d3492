//! The directory as a region's node reads it.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[STATUS];

/// Whether an account is active or suspended. No row: no such account.
///
/// `$1` account.
pub const STATUS: Statement = Statement {
    name: "directory.account_status",
    sql: "
select status from directory.accounts where id = $1::text::uuid",
};
