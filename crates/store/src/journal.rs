//! What happens in a call, made durable under its lease.
//!
//! Every statement takes account, call and lease token first and returns no row where the
//! caller no longer holds the call: then it must stop.
//!
//! Whatever queues deliveries locks the endpoints against deletion, so that one that is being
//! deleted gets nothing instead of refusing the whole statement.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[CONTEXT, DIALED, STATUS, RECORD, RECORDING, FINISH, SPANS];

/// What is known about a call that is to be ended by somebody who did not run it.
///
/// `$1` account, `$2` call.
pub const CONTEXT: Statement = Statement {
    name: "journal.context",
    sql: "
select c.lead_id::text, c.attempt_no, c.direction, c.flow_id, v.graph::text as graph,
       coalesce(s.max_attempts_per_lead, 1) as max_attempts_per_lead,
       coalesce(s.max_daily_calls_per_number, 1) as max_daily_calls_per_number,
       (select count(*) from calls a where a.account_id = c.account_id and a.to_number = c.to_number
        and a.direction = 'outbound' and a.dialed_at > now() - interval '24 hours') as number_calls_today,
       c.slots::text as slots, exists (select from recordings r where r.call_id = c.id) as recorded,
       exists (select from events e where e.call_id = c.id and e.type = 'call.opted_out') as opted_out,
       (extract(epoch from coalesce(l.created_at, c.created_at)) * 1000000)::bigint as accepted_us,
       (select (extract(epoch from min(a.dialed_at)) * 1000000)::bigint from calls a
        where a.lead_id = c.lead_id) as first_dialed_us,
       (extract(epoch from c.answered_at) * 1000000)::bigint as answered_us
from calls c
left join leads l on l.id = c.lead_id and l.account_id = c.account_id
left join flow_versions v on v.account_id = c.account_id and v.flow_id = c.flow_id and v.version = c.flow_version
left join account_settings s on s.account_id = c.account_id
where c.account_id = $1::text::uuid and c.id = $2::text::uuid",
};

/// The INVITE is out: the carrier's id, the event and the `call.started` deliveries, once.
///
/// `$1` account, `$2` call, `$3` token, `$4` SIP Call-ID, `$5` event id, `$6` event type,
/// `$7` payload.
pub const DIALED: Statement = Statement {
    name: "journal.dialed",
    sql: "
with held as (
    select id, sip_call_id from calls
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint and ended_at is null
    for no key update
), dialed as (
    update calls set sip_call_id = $4::text, dialed_at = coalesce(dialed_at, now())
    from held where calls.id = held.id and held.sip_call_id is null
    returning calls.account_id, calls.id, calls.lead_id
), event as (
    insert into events (account_id, call_id, lead_id, type, data)
    select account_id, id, lead_id, 'call.dialed', jsonb_build_object('sip_call_id', $4::text) from dialed
), deliveries as (
    insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, call_id, lead_id, payload)
    select gen_random_uuid(), e.account_id, e.id, $5::text::uuid, $6::text, dialed.id, dialed.lead_id, $7::text
    from dialed join webhook_endpoints e on e.account_id = dialed.account_id and e.disabled_at is null
    where e.events && array['*', $6::text, split_part($6::text, '.', 1) || '.*']
    for key share of e
)
select id::text from held",
};

/// The status moved, with its event and its webhook, if it has one.
///
/// `$1` account, `$2` call, `$3` token, `$4` status, `$5` statuses it may follow, `$6` when in
/// µs, `$7` event id or null, `$8` event type or null, `$9` payload or null.
pub const STATUS: Statement = Statement {
    name: "journal.status",
    sql: "
with held as (
    select id from calls
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint and ended_at is null
    for no key update
), moved as (
    update calls set
        status = $4::text,
        ringing_at = case when $4::text = 'ringing' then moment.at else calls.ringing_at end,
        answered_at = case when $4::text = 'in_progress' then moment.at else calls.answered_at end
    from held, (select 'epoch'::timestamptz + $6::bigint * interval '1 microsecond' as at) moment
    where calls.id = held.id and calls.status = any($5::text[])
    returning calls.account_id, calls.id, calls.lead_id
), event as (
    insert into events (account_id, call_id, lead_id, type, data)
    select account_id, id, lead_id, 'call.status', jsonb_build_object('status', $4::text) from moved
), deliveries as (
    insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, call_id, lead_id, payload)
    select gen_random_uuid(), e.account_id, e.id, $7::text::uuid, $8::text, moved.id, moved.lead_id, $9::text
    from moved join webhook_endpoints e on e.account_id = moved.account_id and e.disabled_at is null
    where $7::text is not null and e.events && array['*', $8::text, split_part($8::text, '.', 1) || '.*']
    for key share of e
)
select id::text from held",
};

/// A batch of turns, events, spans and slots.
///
/// Each entry carries its own number or id, so a batch whose answer was lost is written again
/// without repeating anything.
///
/// `$1` account, `$2` call, `$3` token, `$4` turns, `$5` events, `$6` spans (JSON arrays),
/// `$7` slots (JSON object).
pub const RECORD: Statement = Statement {
    name: "journal.record",
    sql: "
with held as (
    select account_id, id, lead_id from calls
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint and ended_at is null
    for no key update
), slots as (
    update calls set slots = calls.slots || $7::text::jsonb
    from held where calls.id = held.id and $7::text <> '{}'
), turns as (
    insert into turns (account_id, call_id, turn_no, speaker, text, started_ms, ended_ms, interrupted, latency)
    select held.account_id, held.id, t.turn_no, t.speaker, t.text, t.started_ms, t.ended_ms, t.interrupted, t.latency
    from held, jsonb_to_recordset($4::text::jsonb) as t(turn_no integer, speaker text, text text,
         started_ms bigint, ended_ms bigint, interrupted boolean, latency jsonb)
    on conflict do nothing
), events as (
    insert into events (account_id, call_id, lead_id, seq, type, data, at)
    select held.account_id, held.id, held.lead_id, e.seq, e.type, e.data,
           'epoch'::timestamptz + e.at_us * interval '1 microsecond'
    from held, jsonb_to_recordset($5::text::jsonb) as e(seq bigint, type text, data jsonb, at_us bigint)
    on conflict (call_id, seq) where seq is not null do nothing
), spans as (
    insert into spans (account_id, call_id, span_id, parent_span_id, name, started_at, ended_at, status, attributes)
    select held.account_id, held.id, s.span_id,
           (select root.span_id from spans root
            where root.call_id = held.id and root.parent_span_id is null order by root.started_at limit 1),
           s.name, 'epoch'::timestamptz + s.started_us * interval '1 microsecond',
           'epoch'::timestamptz + s.ended_us * interval '1 microsecond', s.status, s.attributes
    from held, jsonb_to_recordset($6::text::jsonb) as s(span_id text, name text, started_us bigint,
         ended_us bigint, status text, attributes jsonb)
    on conflict do nothing
)
select id::text from held",
};

/// A finished recording lies in the object store.
///
/// `$1` account, `$2` call, `$3` token, `$4` path, `$5` bytes, `$6` ms, `$7` days to keep it.
pub const RECORDING: Statement = Statement {
    name: "journal.recording",
    sql: "
with held as (
    select account_id, id from calls
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint and ended_at is null
    for no key update
), recorded as (
    update calls set recorded = true from held where calls.id = held.id
), recording as (
    insert into recordings (call_id, account_id, path, bytes, duration_ms, expires_at)
    select id, account_id, $4::text, $5::bigint, $6::bigint, now() + $7::bigint * interval '1 day' from held
    on conflict do nothing
)
select id::text from held",
};

/// The end of a call, whole: its terminal state (first writer wins), the lead, the next attempt,
/// the opt-out, the charge, the audit of a refusal, the events, the span and the outcome's
/// deliveries.
///
/// Started minutes of an answered call are charged, once, because only one writer ends it. A call
/// that somebody else had to end (`agent_crashed`, `reconciled`) is free: nobody knows how long
/// the conversation really was. The next attempt is due by the database's clock: the node says
/// how long after `now_us`.
///
/// `$1` account, `$2` call, `$3` token, `$4` the end as a JSON object with the fields below.
pub const FINISH: Statement = Statement {
    name: "journal.finish",
    sql: "
with input as (
    select * from jsonb_to_record($4::text::jsonb) as input(
        status text, end_reason text, failure_code text, failure_detail text,
        outcome text, outcome_reason text, booking jsonb, slots jsonb,
        sip_status integer, quality jsonb, ended_us bigint,
        lead_state text, opted_out boolean,
        retry_id uuid, retry_us bigint, now_us bigint,
        refused_because text, refused_on jsonb,
        event_id uuid, event_type text, payload text, span_id text)
), bill as (
    select started.minutes, started.minutes * s.rate_microcents_per_minute as microcents
    from calls c
    join account_settings s on s.account_id = c.account_id
    cross join input
    cross join lateral (
        select ceil(greatest(0, input.ended_us / 1000000.0 - extract(epoch from c.answered_at)) / 60.0)::integer as minutes
    ) started
    where c.account_id = $1::text::uuid and c.id = $2::text::uuid
      and c.answered_at is not null and input.end_reason not in ('agent_crashed', 'reconciled')
), ended as (
    update calls set
        status = input.status, end_reason = input.end_reason,
        failure_code = input.failure_code, failure_detail = input.failure_detail,
        outcome = input.outcome, outcome_reason = input.outcome_reason,
        booking = input.booking, slots = calls.slots || coalesce(input.slots, '{}'),
        sip_status = input.sip_status, quality = input.quality,
        ended_at = 'epoch'::timestamptz + input.ended_us * interval '1 microsecond',
        billed_minutes = bill.minutes, charged_microcents = bill.microcents,
        held_reason = null, lease_owner = null, lease_until = null
    from input left join bill on true
    where calls.account_id = $1::text::uuid and calls.id = $2::text::uuid and calls.lease_token = $3::bigint
      and calls.status in ('queued', 'initiated', 'ringing', 'in_progress')
    returning calls.*
), charge as (
    update account_settings s set balance_microcents = s.balance_microcents - ended.charged_microcents
    from ended where s.account_id = ended.account_id and ended.charged_microcents > 0
), decision as (
    insert into dial_decisions (account_id, call_id, verdict, reason, facts)
    select ended.account_id, ended.id, 'refuse', input.refused_because, coalesce(input.refused_on, '{}')
    from ended, input where input.refused_because is not null
), lead as (
    update leads set state = input.lead_state, outcome = input.outcome, finished_at = now()
    from ended, input
    where leads.account_id = ended.account_id and leads.id = ended.lead_id
      and leads.state = 'queued' and input.lead_state <> 'queued'
), retry as (
    insert into calls (id, account_id, lead_id, attempt_no, direction, flow_id, flow_version,
                       from_number, to_number, not_before, trace_id)
    select input.retry_id, ended.account_id, ended.lead_id, ended.attempt_no + 1, ended.direction,
           ended.flow_id, ended.flow_version, ended.from_number, ended.to_number,
           now() + greatest(0, input.retry_us - input.now_us) * interval '1 microsecond', ended.trace_id
    from ended, input, leads
    where input.retry_id is not null and leads.account_id = ended.account_id
      and leads.id = ended.lead_id and leads.state = 'queued'
    on conflict on constraint calls_attempt_once do nothing
), person as (
    select ended.account_id, case ended.direction when 'inbound' then ended.from_number else ended.to_number end as phone
    from ended, input where input.opted_out
), dnc as (
    insert into dnc_entries (account_id, phone, reason, source)
    select account_id, phone, 'asked during a call', 'call_opt_out' from person
    on conflict do nothing
), consent as (
    insert into consents (id, account_id, phone, granted, source, evidence)
    select gen_random_uuid(), account_id, phone, false, 'call_opt_out', jsonb_build_object('call_id', $2::text)
    from person
), events as (
    insert into events (account_id, call_id, lead_id, type, data)
    select ended.account_id, ended.id, ended.lead_id, 'call.ended',
           jsonb_build_object('status', input.status, 'end_reason', input.end_reason,
                              'outcome', input.outcome, 'failure_code', input.failure_code)
    from ended, input
), span as (
    insert into spans (account_id, call_id, span_id, parent_span_id, name, started_at, ended_at, status, attributes)
    select ended.account_id, ended.id, input.span_id,
           (select root.span_id from spans root
            where root.call_id = ended.id and root.parent_span_id is null order by root.started_at limit 1),
           'outcome.write', ended.ended_at, greatest(clock_timestamp(), ended.ended_at), 'ok',
           jsonb_build_object('outcome', input.outcome, 'status', input.status, 'end_reason', input.end_reason)
    from ended, input
    on conflict do nothing
), deliveries as (
    insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, call_id, lead_id, payload)
    select gen_random_uuid(), e.account_id, e.id, input.event_id, input.event_type, ended.id, ended.lead_id, input.payload
    from ended cross join input
    join webhook_endpoints e on e.account_id = ended.account_id and e.disabled_at is null
    where input.event_id is not null
      and e.events && array['*', input.event_type, split_part(input.event_type, '.', 1) || '.*']
    for key share of e
)
select id::text from ended",
};

/// The spans of a call, for export.
///
/// `$1` account, `$2` call.
pub const SPANS: Statement = Statement {
    name: "journal.spans",
    sql: "
select c.trace_id, s.span_id, s.parent_span_id, s.name, s.status, s.attributes::text,
       (extract(epoch from s.started_at) * 1000000)::bigint as started_us,
       (extract(epoch from s.ended_at) * 1000000)::bigint as ended_us
from spans s join calls c on c.id = s.call_id
where s.account_id = $1::text::uuid and s.call_id = $2::text::uuid
order by s.started_at, s.span_id",
};
