//! API keys, in the directory database.

use crate::Statement;

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

/// A new key in the account's lowest free slot: no row comes back where none is free (`full`)
/// or where another request has just taken it (not `full`: try again).
///
/// `$1` account, `$2` id, `$3` name, `$4` sha256, `$5` hint, `$6` mode, `$7` scopes,
/// `$8` CIDRs, `$9` expiry in µs or null.
pub const CREATE_KEY: Statement = Statement {
    name: "auth.create_key",
    sql: "
with free as (
    select min(n)::smallint as slot
    from generate_series(1, 25) n
    where not exists (select from directory.api_keys k
                      where k.account_id = $1::text::uuid and k.slot = n and k.revoked_at is null)
), created as (
    insert into directory.api_keys
        (id, account_id, slot, name, sha256, hint, mode, scopes, allowed_cidrs, expires_at)
    select $2::text::uuid, $1::text::uuid, slot, $3::text, $4::bytea, $5::text, $6::text, $7::text[], $8::text[],
           'epoch'::timestamptz + make_interval(secs => $9::bigint / 1000000.0)
    from free where slot is not null
    on conflict (account_id, slot) where revoked_at is null do nothing
    returning created_at
)
select free.slot is null as full,
       (extract(epoch from created.created_at) * 1000000)::bigint as created_us
from free left join created on true",
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
