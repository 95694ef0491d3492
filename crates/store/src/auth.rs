//! API keys, in the directory database.

use crate::Statement;
use crate::idempotency::keeping_answer;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[FIND_KEY, CREATE_KEY, LIST_KEYS, REVOKE_KEY];

/// A key by its digest, with what the edge must know about its account.
pub const FIND_KEY: Statement = Statement {
    name: "auth.find_key",
    sql: "
select k.id::text, k.account_id::text, k.scopes, k.allowed_cidrs,
       (extract(epoch from k.expires_at) * 1000000)::bigint as expires_us,
       k.revoked_at is not null as revoked,
       a.status <> 'active' as suspended,
       a.home_region, a.strict_residency, r.edge_url
from directory.api_keys k
join directory.accounts a on a.id = k.account_id
left join directory.regions r on r.name = a.home_region
where k.sha256 = $1::bytea",
};

/// A new key in the account's lowest free slot; not `written` where none is free. Answers that
/// the account's keys have outlived go with it.
///
/// `$1` to `$6` as [`crate::idempotency`] says, `$7` id, `$8` name, `$9` sha256, `$10` hint,
/// `$11` mode, `$12` scopes, `$13` CIDRs, `$14` expiry in µs or null, `$15` now in µs.
pub const CREATE_KEY: Statement = Statement {
    name: "auth.create_key",
    sql: concat!(
        "
with gate as (
    select slot, slot is not null as open from directory.free_key_slot($1::text::uuid) as slot
), ",
        keeping_answer!("directory.idempotency_keys"),
        ", forgotten as (
    delete from directory.idempotency_keys
    where account_id = $1::text::uuid and created_at <= now() - interval '24 hours'
      and (route, key) is distinct from ($2::text, $3::text)
), created as (
    insert into directory.api_keys
        (id, account_id, slot, name, sha256, hint, mode, scopes, allowed_cidrs, expires_at, created_at)
    select $7::text::uuid, $1::text::uuid, slot, $8::text, $9::bytea, $10::text, $11::text, $12::text[], $13::text[],
           'epoch'::timestamptz + make_interval(secs => $14::bigint / 1000000.0),
           'epoch'::timestamptz + make_interval(secs => $15::bigint / 1000000.0)
    from gate, first where first.written
)
select written from first"
    ),
};

/// The account's keys, oldest first, revoked and expired ones too. At least one row: the total.
///
/// `$1` account, `$2` limit, `$3` offset.
pub const LIST_KEYS: Statement = Statement {
    name: "auth.list_keys",
    sql: "
with page as (
    select * from directory.api_keys
    where account_id = $1::text::uuid
    order by created_at, id
    limit $2::bigint offset $3::bigint
), total as (
    select count(*) as total from directory.api_keys where account_id = $1::text::uuid
)
select total.total, p.id::text, p.name, p.hint, p.mode, p.scopes, p.allowed_cidrs,
       (extract(epoch from p.expires_at) * 1000000)::bigint as expires_us,
       (extract(epoch from p.revoked_at) * 1000000)::bigint as revoked_us,
       (extract(epoch from p.created_at) * 1000000)::bigint as created_us
from total left join page p on true
order by p.created_at, p.id",
};

/// Revokes a key, once; a row comes back if the key is the account's.
///
/// `$1` account, `$2` key.
pub const REVOKE_KEY: Statement = Statement {
    name: "auth.revoke_key",
    sql: "
update directory.api_keys set revoked_at = coalesce(revoked_at, now())
where account_id = $1::text::uuid and id = $2::text::uuid
returning id::text",
};
