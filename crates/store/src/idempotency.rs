//! Answers that are kept under idempotency keys for 24 hours.
//!
//! A statement that creates something keeps its answer itself, so that both happen or neither:
//! its first CTE is `gate`, one row whose column `open` says whether there is room, then comes
//! [`keeping_answer`], and whatever it writes reads `from first where written`. Its first six
//! parameters are `$1` account, `$2` route, `$3` key or null, `$4` SHA-256 of the body, `$5`
//! status, `$6` answer.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[FIND, FIND_IN_DIRECTORY, KEEP];

/// The CTEs `stored` and `first` of a statement as described above, for answers in `$table`.
/// `first.written` is false where the gate is shut, or where another request has stored an
/// answer under the same key first.
macro_rules! keeping_answer {
    ($table:literal) => {
        concat!(
            "stored as (
    insert into ",
            $table,
            " as k (account_id, route, key, body_sha256, status, response)
    select $1::text::uuid, $2::text, $3::text, $4::bytea, $5::bigint::integer, $6::text
    from gate where gate.open and $3::text is not null
    on conflict (account_id, route, key) do update
        set body_sha256 = excluded.body_sha256, status = excluded.status,
            response = excluded.response, created_at = now()
        where k.created_at <= now() - interval '24 hours'
    returning key
), first as (
    select gate.open and ($3::text is null or exists (select from stored)) as written from gate
)"
        )
    };
}
pub(crate) use keeping_answer;

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

/// As [`FIND`], for answers about things of the directory.
pub const FIND_IN_DIRECTORY: Statement = Statement {
    name: "idempotency.find_in_directory",
    sql: "
select encode(body_sha256, 'hex') as body_sha256, status, response
from directory.idempotency_keys
where account_id = $1::text::uuid and route = $2::text and key = $3::text
  and created_at > now() - interval '24 hours'",
};

/// Keeps the answer to a request that has the same effect however often it is made.
pub const KEEP: Statement = Statement {
    name: "idempotency.keep",
    sql: concat!(
        "
with gate as (
    select true as open
), ",
        keeping_answer!("idempotency_keys"),
        "
select written from first"
    ),
};
