//! The account's phone numbers.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[LIST, PUT, OWN];

/// The account's numbers, oldest first. At least one row: the total.
///
/// `$1` account, `$2` limit, `$3` offset.
pub const LIST: Statement = Statement {
    name: "numbers.list",
    sql: "
with page as (
    select * from numbers
    where account_id = $1::text::uuid and status <> 'released'
    order by created_at, id
    limit $2::bigint offset $3::bigint
), total as (
    select count(*) as total from numbers where account_id = $1::text::uuid and status <> 'released'
)
select total.total, n.id::text, n.phone, n.friendly_name, n.status, n.flow_id,
       (extract(epoch from n.created_at) * 1000000)::bigint as created_us
from total left join page n on true
order by n.created_at, n.id",
};

/// Adds a number to the account or changes its trunk. No row: it is another account's.
///
/// `$1` account, `$2` id, `$3` number, `$4` friendly name or null, `$5` termination URI,
/// `$6` transport, `$7` SIP user or null, `$8` sealed SIP password or null, `$9` flow or null.
pub const PUT: Statement = Statement {
    name: "numbers.put",
    sql: "
insert into numbers as n
    (id, account_id, phone, friendly_name, termination_uri, transport, sip_username, sip_password, flow_id)
values ($2::text::uuid, $1::text::uuid, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text)
on conflict (phone) do update
    set friendly_name = excluded.friendly_name, termination_uri = excluded.termination_uri,
        transport = excluded.transport, sip_username = excluded.sip_username,
        sip_password = excluded.sip_password, flow_id = excluded.flow_id, status = 'active'
    where n.account_id = excluded.account_id
returning n.id::text",
};

/// Writes into the directory which account and region a number belongs to. No row: it is
/// another account's.
///
/// `$1` account, `$2` number, `$3` region.
pub const OWN: Statement = Statement {
    name: "numbers.own",
    sql: "
insert into directory.number_owners as o (phone, account_id, region)
values ($2::text, $1::text::uuid, $3::text)
on conflict (phone) do update set region = excluded.region
    where o.account_id = excluded.account_id
returning o.phone",
};
