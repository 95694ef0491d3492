//! Answers that are kept under idempotency keys for 24 hours.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[FIND];

/// The answer that was stored under a key.
///
/// `$1` account, `$2` route, `$3` key.
pub const FIND: Statement = Statement {
    name: "idempotency.find",
    sql: "
select encode(body_sha256, 'hex') as body_sha256, status, response
from idempotency_keys
where account_id = $1::text::uuid and route = $2::text and key = $3::text
  and created_at > now() - interval '24 hours'",
};
