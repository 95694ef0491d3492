//! Nodes: their heartbeat and the leases on the calls they run.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[HEARTBEAT, RENEW, FORGET, NUMBERS, CARRIER];

/// A node is alive. It is told what time it is.
///
/// `$1` node, `$2` region, `$3` SIP address, `$4` artifacts address, `$5` slots, `$6` draining.
pub const HEARTBEAT: Statement = Statement {
    name: "nodes.heartbeat",
    sql: "
insert into nodes (id, region, sip_address, artifacts_url, slots, draining)
values ($1::text, $2::text, $3::text, $4::text, $5::bigint::integer, $6::boolean)
on conflict (id) do update set region = excluded.region, sip_address = excluded.sip_address,
    artifacts_url = excluded.artifacts_url, slots = excluded.slots, draining = excluded.draining,
    heartbeat_at = now()
returning (extract(epoch from now()) * 1000000)::bigint as now_us",
};

/// Renews the leases of all calls a node runs. Calls that do not come back are lost to it; a
/// call that was given back has no lease to renew. The rows are locked first, in order, so that a
/// renewal that had to wait counts from when it got through.
///
/// `$1` lease in ms, `$2` calls, `$3` their tokens, in the same order.
pub const RENEW: Statement = Statement {
    name: "nodes.renew_leases",
    sql: "
with mine as (
    select c.id from calls c
    join (select unnest($2::text[])::uuid as id, unnest($3::text[])::bigint as token) held
      on c.id = held.id and c.lease_token = held.token
    where c.ended_at is null and c.lease_until is not null
    order by c.id
    for no key update of c
)
update calls set lease_until = clock_timestamp() + $1::bigint * interval '1 millisecond'
from mine where calls.id = mine.id
returning calls.id::text",
};

/// Forgets a node that left in good order.
///
/// `$1` node.
pub const FORGET: Statement =
    Statement { name: "nodes.forget", sql: "delete from nodes where id = $1::text" };

/// The numbers that calls may go out from; whoever keeps a carrier's account for each drops the
/// others.
pub const NUMBERS: Statement = Statement {
    name: "nodes.numbers",
    sql: "
select phone from numbers where status <> 'released' and termination_uri is not null",
};

/// The carrier by which a number of the region calls out.
///
/// `$1` number.
pub const CARRIER: Statement = Statement {
    name: "nodes.carrier",
    sql: "
select termination_uri, transport, sip_username, sip_password from numbers
where phone = $1::text and status <> 'released' and termination_uri is not null",
};
