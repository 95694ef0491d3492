//! Calls as the API reads them.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[FETCH, LIST, LIST_BY_STATUS, LIST_BY_LEAD, LIST_BY_LEAD_AND_STATUS];

/// A call with its lead's attempts, and its turns and spans where they are asked for.
///
/// `$1` account, `$2` call, `$3` with turns, `$4` with spans.
pub const FETCH: Statement = Statement {
    name: "calls.fetch",
    sql: "
select c.id::text, c.lead_id::text, c.attempt_no, c.direction, c.flow_id, c.flow_version,
       c.from_number, c.to_number, c.status, c.end_reason, c.failure_code, c.outcome, c.outcome_reason,
       c.booking::text, c.slots::text, c.held_reason, c.trace_id, c.failure_detail, c.sip_call_id, c.sip_status,
       (select e.data::text from events e
        where e.account_id = $1::text::uuid and e.call_id = c.id and e.type = 'call.sip'
        order by e.id desc limit 1) as sip_attributes,
       (extract(epoch from coalesce(l.created_at, c.created_at)) * 1000000)::bigint as accepted_us,
       (select (extract(epoch from min(a.dialed_at)) * 1000000)::bigint
        from calls a where a.account_id = $1::text::uuid and a.lead_id = c.lead_id) as first_dial_us,
       (extract(epoch from c.created_at) * 1000000)::bigint as created_us,
       (extract(epoch from c.not_before) * 1000000)::bigint as not_before_us,
       (extract(epoch from c.dialed_at) * 1000000)::bigint as dialed_us,
       (extract(epoch from c.ringing_at) * 1000000)::bigint as ringing_us,
       (extract(epoch from c.answered_at) * 1000000)::bigint as answered_us,
       (extract(epoch from c.ended_at) * 1000000)::bigint as ended_us,
       (select e.data ->> 'node' from events e
        where e.account_id = $1::text::uuid and e.call_id = c.id and e.type = 'call.node'
        order by e.id desc limit 1) as current_node,
       exists (select from turns t where t.call_id = c.id) as has_transcript,
       exists (select from recordings r
               where r.call_id = c.id and r.deleted_at is null and r.expires_at > now()) as has_recording,
       (select case when r.deleted_at is null and r.expires_at > now() then 'available' else 'deleted' end
        from recordings r where r.call_id = c.id) as recorded_as,
       exists (select from events e
               where e.account_id = $1::text::uuid and e.call_id = c.id
                 and e.type = 'call.recording_failed') as recording_failed,
       (select coalesce(json_agg(json_build_object(
                   'id', a.id, 'attempt', a.attempt_no, 'status', a.status, 'end_reason', a.end_reason,
                   'outcome', a.outcome,
                   'not_before_us', (extract(epoch from a.not_before) * 1000000)::bigint,
                   'dialed_us', (extract(epoch from a.dialed_at) * 1000000)::bigint,
                   'ended_us', (extract(epoch from a.ended_at) * 1000000)::bigint) order by a.attempt_no), '[]')::text
        from calls a
        where a.account_id = $1::text::uuid and (a.id = c.id or a.lead_id = c.lead_id)) as attempts,
       case when $3::boolean then
           (select coalesce(json_agg(json_build_object(
                       'number', t.turn_no, 'speaker', t.speaker, 'text', t.text,
                       'started_ms', t.started_ms, 'ended_ms', t.ended_ms,
                       'interrupted', t.interrupted, 'latency', t.latency) order by t.turn_no), '[]')::text
            from turns t where t.call_id = c.id) end as transcript,
       case when $4::boolean then
           (select coalesce(json_agg(json_build_object(
                       'span_id', s.span_id, 'parent_span_id', s.parent_span_id, 'name', s.name, 'status', s.status,
                       'started_us', (extract(epoch from s.started_at) * 1000000)::bigint,
                       'ended_us', (extract(epoch from s.ended_at) * 1000000)::bigint,
                       'attributes', s.attributes) order by s.started_at, s.ended_at desc), '[]')::text
            from spans s where s.call_id = c.id) end as trace
from calls c
left join leads l on l.id = c.lead_id
where c.account_id = $1::text::uuid and c.id = $2::text::uuid",
};

/// A page of calls that are `$which`, with their total from `$total`.
macro_rules! list {
    ($name:literal, $which:literal, $total:literal) => {
        Statement {
            name: $name,
            sql: concat!(
                "
with page as (
    select * from calls where account_id = $1::text::uuid ",
                $which,
                "
    order by created_at desc, id desc
    limit $2::bigint offset $3::bigint
)
select total.total, c.id::text, c.lead_id::text, c.attempt_no, c.direction, c.flow_id, c.flow_version,
       c.from_number, c.to_number, c.status, c.end_reason, c.outcome,
       (extract(epoch from c.created_at) * 1000000)::bigint as created_us,
       (extract(epoch from c.dialed_at) * 1000000)::bigint as dialed_us,
       (extract(epoch from c.ringing_at) * 1000000)::bigint as ringing_us,
       (extract(epoch from c.answered_at) * 1000000)::bigint as answered_us,
       (extract(epoch from c.ended_at) * 1000000)::bigint as ended_us
from (select ",
                $total,
                " as total) total left join page c on true
order by c.created_at desc, c.id desc"
            ),
        }
    };
}

/// The account's calls, newest first. At least one row: the total. Reads the page and a few
/// tallies, however many calls there are.
///
/// `$1` account, `$2` limit, `$3` offset.
pub const LIST: Statement = list!("calls.list", "", "calls_total($1::text::uuid, null)");

/// As [`LIST`], those of one status, `$4`.
pub const LIST_BY_STATUS: Statement =
    list!("calls.list_by_status", "and status = $4::text", "calls_total($1::text::uuid, $4::text)");

/// As [`LIST`], those of one lead, `$4`; few enough to be counted.
pub const LIST_BY_LEAD: Statement = list!(
    "calls.list_by_lead",
    "and lead_id = $4::text::uuid",
    "(select count(*) from calls where account_id = $1::text::uuid and lead_id = $4::text::uuid)"
);

/// As [`LIST_BY_LEAD`], those of one status, `$5`.
pub const LIST_BY_LEAD_AND_STATUS: Statement = list!(
    "calls.list_by_lead_and_status",
    "and lead_id = $4::text::uuid and status = $5::text",
    "(select count(*) from calls
      where account_id = $1::text::uuid and lead_id = $4::text::uuid and status = $5::text)"
);
