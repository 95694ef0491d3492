//! Leads as the API writes and reads them. Lists write many at once by the same statements.

use crate::Statement;
use crate::idempotency::keeping_answer;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[FACTS, CREATE, CANCEL, FETCH];

/// Everything the decision on new leads needs, in one row of JSON texts: candidate flows, one
/// active number per flow, which of the numbers may not be called, the webhook endpoints, and
/// an earlier answer under the same idempotency key.
///
/// `$1` account, `$2` the leads' numbers, `$3` flow or null (all), `$4` own number or null
/// (any), `$5` route, `$6` idempotency key or null.
pub const FACTS: Statement = Statement {
    name: "leads.facts",
    sql: "
select
    (select coalesce(json_agg(json_build_object(
                'id', f.id, 'version', f.current_version,
                'matches', v.graph -> 'matches', 'within_s', v.graph -> 'call' -> 'within_s') order by f.id), '[]')::text
     from flows f
     join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id and v.version = f.current_version
     where f.account_id = $1::text::uuid and f.archived_at is null
       and ($3::text is null or f.id = $3::text)) as flows,
    (select coalesce(json_agg(json_build_object('phone', n.phone, 'flow_id', n.flow_id)
                              order by n.created_at), '[]')::text
     from (select distinct on (flow_id) phone, flow_id, created_at from numbers
           where account_id = $1::text::uuid and status = 'active' and ($4::text is null or phone = $4::text)
           order by flow_id, created_at) n) as numbers,
    (select coalesce(json_agg(b.phone), '[]')::text
     from (select phone from dnc_entries
           where account_id = $1::text::uuid and phone = any($2::text[])
           union
           select newest.phone
           from (select distinct on (phone) phone, granted from consents
                 where account_id = $1::text::uuid and phone = any($2::text[])
                 order by phone, at desc) newest
           where not newest.granted) b) as blocked,
    (select coalesce(json_agg(json_build_object('id', id, 'events', events) order by id), '[]')::text
     from webhook_endpoints
     where account_id = $1::text::uuid and disabled_at is null) as endpoints,
    (select json_build_object('body_sha256', encode(body_sha256, 'hex'), 'status', status, 'response', response)::text
     from idempotency_keys
     where account_id = $1::text::uuid and route = $5::text and key = $6::text
       and created_at > now() - interval '24 hours') as earlier",
};

/// Writes accepted leads with all that belongs to them: consent, contact, queued call, events,
/// spans, webhook deliveries and the answer under the idempotency key.
///
/// `$1` to `$6` as [`crate::idempotency`] says, `$7` leads (JSON), `$8` deliveries (JSON), `$9`
/// spans (JSON).
pub const CREATE: Statement = Statement {
    name: "leads.create",
    sql: concat!(
        "
with gate as (
    select true as open
), ",
        keeping_answer!("idempotency_keys"),
        ", items as (
    select i.*
    from first, jsonb_to_recordset($7::text::jsonb) as i(
        lead_id uuid, call_id uuid, contact_id uuid, consent_id uuid,
        source text, phone text, name text, intent text, campaign text, language text, timezone text,
        flow_id text, flow_version integer, from_number text, call_within_s integer,
        metadata jsonb, consent_source text, evidence jsonb, trace_id text)
    where first.written
), new_leads as (
    insert into leads (id, account_id, source, phone, name, intent, campaign, language, timezone,
                       flow_id, flow_version, from_number, call_within_s, metadata)
    select lead_id, $1::text::uuid, source, phone, name, intent, campaign, language, timezone,
           flow_id, flow_version, from_number, call_within_s, metadata
    from items
), new_contacts as (
    -- In the order of the numbers, so that two lists at the same time cannot wait for each other.
    insert into contacts as c (id, account_id, phone, name, timezone, language)
    select distinct on (phone) contact_id, $1::text::uuid, phone, name, timezone, language
    from items order by phone
    on conflict (account_id, phone) do update
        set name = coalesce(excluded.name, c.name),
            timezone = coalesce(excluded.timezone, c.timezone),
            language = coalesce(excluded.language, c.language),
            updated_at = now()
), new_consents as (
    insert into consents (id, account_id, phone, granted, source, evidence)
    select consent_id, $1::text::uuid, phone, true, consent_source, evidence from items
), new_calls as (
    insert into calls (id, account_id, lead_id, direction, flow_id, flow_version,
                       from_number, to_number, dial_deadline, trace_id)
    select call_id, $1::text::uuid, lead_id, 'outbound', flow_id, flow_version,
           from_number, phone, now() + make_interval(secs => call_within_s), trace_id
    from items
), new_events as (
    insert into events (account_id, call_id, lead_id, type)
    select $1::text::uuid, call_id, lead_id, 'lead.created' from items
), new_spans as (
    insert into spans (account_id, call_id, span_id, parent_span_id, name, started_at, ended_at)
    select $1::text::uuid, s.call_id, s.span_id, s.parent_span_id, s.name, s.started_at,
           greatest(s.started_at, coalesce(s.ended_at, clock_timestamp()))
    from first, jsonb_to_recordset($9::text::jsonb) as s(
        call_id uuid, span_id text, parent_span_id text, name text,
        started_at timestamptz, ended_at timestamptz)
    where first.written
), new_deliveries as (
    insert into webhook_deliveries (id, account_id, endpoint_id, event_id, event_type, call_id, lead_id, payload)
    select d.id, $1::text::uuid, d.endpoint_id, d.event_id, 'lead.created', d.call_id, d.lead_id, d.payload
    from first cross join jsonb_to_recordset($8::text::jsonb) as d(
        id uuid, endpoint_id uuid, event_id uuid, call_id uuid, lead_id uuid, payload text)
    -- An endpoint that was deleted in the meantime, or is being deleted, gets nothing.
    join webhook_endpoints e on e.id = d.endpoint_id
    where first.written
    for key share of e
)
select written from first"
    ),
};

/// Cancels a lead whose first call has not been dialled. The call's row decides: a dialer that
/// takes it at the same moment either sees it canceled or makes this change nothing.
///
/// `$1` account, `$2` lead. No row: not the account's lead.
pub const CANCEL: Statement = Statement {
    name: "leads.cancel",
    sql: "
with call as (
    update calls set status = 'canceled', end_reason = 'canceled', ended_at = now(),
                     lease_token = lease_token + 1, lease_owner = null, lease_until = null
    where account_id = $1::text::uuid and lead_id = $2::text::uuid
      and attempt_no = 1 and status = 'queued' and dialed_at is null
    returning id, lead_id
), lead as (
    update leads set state = 'canceled', finished_at = now()
    from call
    where leads.id = call.lead_id and leads.account_id = $1::text::uuid and leads.state = 'queued'
    returning leads.id, call.id as call_id
), event as (
    insert into events (account_id, call_id, lead_id, type)
    select $1::text::uuid, call_id, id, 'lead.canceled' from lead
)
select l.state, exists (select from lead) as canceled
from leads l
where l.account_id = $1::text::uuid and l.id = $2::text::uuid",
};

/// A lead with its attempts.
///
/// `$1` account, `$2` lead.
pub const FETCH: Statement = Statement {
    name: "leads.fetch",
    sql: "
select l.id::text, l.source, l.phone, l.name, l.intent, l.campaign, l.language, l.timezone,
       l.flow_id, l.flow_version, l.from_number, l.call_within_s, l.metadata::text, l.state, l.outcome,
       (extract(epoch from l.created_at) * 1000000)::bigint as created_us,
       (extract(epoch from l.finished_at) * 1000000)::bigint as finished_us,
       (select coalesce(json_agg(json_build_object(
                   'id', c.id, 'attempt', c.attempt_no, 'status', c.status, 'end_reason', c.end_reason,
                   'outcome', c.outcome,
                   'not_before_us', (extract(epoch from c.not_before) * 1000000)::bigint,
                   'dialed_us', (extract(epoch from c.dialed_at) * 1000000)::bigint,
                   'ended_us', (extract(epoch from c.ended_at) * 1000000)::bigint) order by c.attempt_no), '[]')::text
        from calls c where c.account_id = $1::text::uuid and c.lead_id = l.id) as attempts
from leads l
where l.account_id = $1::text::uuid and l.id = $2::text::uuid",
};
