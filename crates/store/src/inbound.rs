//! Calls that come in: who answers a number, and the row of the call.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[ROUTE, ACCEPT, REFUSE];

/// Who answers a number of ours, and with what. No row: not our number.
///
/// `$1` the dialled number, `$2` the caller's number.
pub const ROUTE: Statement = Statement {
    name: "inbound.route",
    sql: "
select n.account_id::text, n.status as number_status, f.id as flow_id, f.current_version as flow_version,
       v.graph::text as graph, s.name as account_name, coalesce(s.balance_microcents, 0) as balance_microcents,
       p.name as contact_name, p.attributes::text as contact_attributes
from numbers n
left join flows f on f.account_id = n.account_id and f.id = n.flow_id and f.archived_at is null
left join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id and v.version = f.current_version
left join account_settings s on s.account_id = n.account_id
left join contacts p on p.account_id = n.account_id and p.phone = $2::text and p.deleted_at is null
where n.phone = $1::text",
};

/// The call rings here, under a lease, if the account has a free slot. No row: it has none.
///
/// `$1` account, `$2` call, `$3` owner, `$4` lease in ms, `$5` from, `$6` to, `$7` flow,
/// `$8` flow version, `$9` SIP Call-ID, `$10` trace id.
pub const ACCEPT: Statement = Statement {
    name: "inbound.accept",
    sql: "
with accepted as (
    insert into calls (id, account_id, direction, status, from_number, to_number, flow_id, flow_version,
                       sip_call_id, trace_id, ringing_at, lease_owner, lease_token, lease_until)
    select $2::text::uuid, $1::text::uuid, 'inbound', 'ringing', $5::text, $6::text, $7::text, $8::bigint::integer,
           $9::text, $10::text, now(), $3::text, 1, now() + $4::bigint * interval '1 millisecond'
    where admits_call($1::text::uuid)
    returning account_id, id, lease_token
), event as (
    insert into events (account_id, call_id, type) select account_id, id, 'call.incoming' from accepted
)
select id::text, lease_token from accepted",
};

/// A refused call is on record too, failed from the start.
///
/// `$1` account, `$2` call, `$3` from, `$4` to, `$5` SIP Call-ID, `$6` trace id, `$7` end
/// reason, `$8` failure code, `$9` SIP status.
pub const REFUSE: Statement = Statement {
    name: "inbound.refuse",
    sql: "
with refused as (
    insert into calls (id, account_id, direction, status, end_reason, failure_code, from_number, to_number,
                       sip_call_id, sip_status, trace_id, ended_at)
    values ($2::text::uuid, $1::text::uuid, 'inbound', 'failed', $7::text, $8::text, $3::text, $4::text,
            $5::text, $9::bigint::integer, $6::text, now())
    returning account_id, id
), event as (
    insert into events (account_id, call_id, type, data)
    select account_id, id, 'call.ended', jsonb_build_object('status', 'failed', 'failure_code', $8::text) from refused
)
select id::text from refused",
};
