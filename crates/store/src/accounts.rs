//! Setting up regions and accounts.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[PUT_REGION, ENSURE, PUT_SETTINGS, FIND_KEY_BY_NAME, PING];

/// Where a region's edge answers.
///
/// `$1` region, `$2` URL.
pub const PUT_REGION: Statement = Statement {
    name: "regions.put",
    sql: "
insert into directory.regions (name, edge_url) values ($1::text, $2::text)
on conflict (name) do update set edge_url = excluded.edge_url
returning name",
};

/// The account of this name, made where there is none.
///
/// `$1` id for a new account, `$2` name, `$3` home region, `$4` strict residency.
pub const ENSURE: Statement = Statement {
    name: "accounts.ensure",
    sql: "
with existing as (
    select id, home_region from directory.accounts where name = $2::text order by created_at limit 1
), created as (
    insert into directory.accounts (id, name, home_region, strict_residency)
    select $1::text::uuid, $2::text, $3::text, $4::boolean
    where not exists (select from existing)
    returning id, home_region
)
select id::text, home_region from existing
union all
select id::text, home_region from created",
};

/// The account's settings in its region. A new account starts with a welcome credit of five US
/// dollars, because the gate starts no call on an empty balance.
///
/// `$1` account, `$2` name.
pub const PUT_SETTINGS: Statement = Statement {
    name: "accounts.put_settings",
    sql: "
insert into account_settings (account_id, name, balance_microcents) values ($1::text::uuid, $2::text, 5000000)
on conflict (account_id) do update set name = excluded.name
returning account_id::text",
};

/// The account's key of this name that still opens.
///
/// `$1` account, `$2` name.
pub const FIND_KEY_BY_NAME: Statement = Statement {
    name: "accounts.find_key_by_name",
    sql: "
select id::text from directory.api_keys
where account_id = $1::text::uuid and name = $2::text
  and revoked_at is null and (expires_at is null or expires_at > now())
order by created_at desc limit 1",
};

/// Whether the database answers.
pub const PING: Statement = Statement { name: "accounts.ping", sql: "select 1::bigint as one" };
