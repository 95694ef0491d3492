//! From a queued call to a dialled one, under a lease.
//!
//! A dialer takes a lease on a queued call, reads the facts, asks the gate, and writes what the
//! gate said: dial, hold, or (through [`crate::journal::FINISH`]) refuse. Every write after the
//! lease names the token it was given, so that a dialer whose lease ran out writes nothing.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[TAKE, TAKE_ONE, FACTS, CLAIM, HOLD, RELEASE, MARK_DIALED];

/// Leases due calls that nobody else holds, in turn over the accounts: the one with the fewest
/// calls under way first, and of those that have as many, the one whose call waited longest. An
/// account offers as many as it has free slots. One without offers a call when nobody else has
/// any, so that the gate says why it waits. So a list of a hundred thousand neither holds up other
/// accounts nor is leased and held over and over.
///
/// `$1` owner, `$2` lease in ms, `$3` limit.
pub const TAKE: Statement = Statement {
    name: "dialing.take",
    sql: "
with recursive waiting as (
    -- From account to account along the index, not over all queued calls.
    (select account_id from calls where status = 'queued' order by account_id limit 1)
    union all
    select (select c.account_id from calls c
            where c.status = 'queued' and c.account_id > waiting.account_id
            order by c.account_id limit 1)
    from waiting where waiting.account_id is not null
), due as (
    select offered.id, offered.not_before, busy.active + offered.place as place,
           busy.active >= coalesce(s.concurrent_calls, 0) as is_full
    from waiting
    left join account_settings s on s.account_id = waiting.account_id
    cross join lateral (
        select count(*) as active from calls a
        where a.account_id = waiting.account_id and a.status in ('initiated', 'ringing', 'in_progress')
    ) busy
    cross join lateral (
        select c.id, c.not_before, row_number() over (order by c.not_before) as place
        from (select id, not_before from calls
              where account_id = waiting.account_id and status = 'queued' and not_before <= now()
                and (lease_until is null or lease_until < now())
              order by not_before
              limit least($3::bigint, greatest(1, coalesce(s.concurrent_calls, 0) - busy.active))) c
    ) offered
    where waiting.account_id is not null
), picked as (
    select c.id from calls c join due on due.id = c.id
    where c.status = 'queued' and c.not_before <= now() and (c.lease_until is null or c.lease_until < now())
    order by due.is_full, due.place, due.not_before
    limit $3::bigint
    for update of c skip locked
)
update calls set lease_owner = $1::text, lease_token = lease_token + 1,
                 lease_until = now() + $2::bigint * interval '1 millisecond'
from picked where calls.id = picked.id
returning calls.account_id::text, calls.id::text, calls.lease_token",
};

/// As [`TAKE`], for the one call that a stream entry names.
///
/// `$1` owner, `$2` lease in ms, `$3` call.
pub const TAKE_ONE: Statement = Statement {
    name: "dialing.take_one",
    sql: "
with due as (
    select id from calls
    where id = $3::text::uuid
      and status = 'queued' and not_before <= now() and (lease_until is null or lease_until < now())
    for update skip locked
)
update calls set lease_owner = $1::text, lease_token = lease_token + 1,
                 lease_until = now() + $2::bigint * interval '1 millisecond'
from due where calls.id = due.id
returning calls.account_id::text, calls.id::text, calls.lease_token",
};

/// All that the gate, the dial request and the flow's templates need, at one moment. The moment
/// is the database's (`now_us`): windows, caps and deadlines are judged by one clock, whatever a
/// node's own says.
///
/// `$1` account, `$2` call.
pub const FACTS: Statement = Statement {
    name: "dialing.facts",
    sql: "
select (extract(epoch from now()) * 1000000)::bigint as now_us,
       c.id::text as call_id, c.lead_id::text, c.attempt_no, c.from_number, c.to_number, c.trace_id,
       (extract(epoch from c.created_at) * 1000000)::bigint as created_us,
       (extract(epoch from c.dial_deadline) * 1000000)::bigint as dial_deadline_us,
       c.flow_id, c.flow_version, v.graph::text as graph, f.archived_at is not null as flow_archived,
       n.status as number_status, n.termination_uri, n.transport, n.sip_username, n.sip_password,
       l.state as lead_state, l.source as lead_source, l.name as lead_name, l.intent as lead_intent,
       l.campaign as lead_campaign, l.language as lead_language,
       coalesce(l.timezone, p.timezone) as timezone, l.metadata::text as lead_metadata,
       (extract(epoch from l.created_at) * 1000000)::bigint as lead_created_us,
       p.name as contact_name, p.attributes::text as contact_attributes,
       s.name as account_name, s.concurrent_calls, s.max_attempts_per_lead,
       s.max_daily_calls_per_number, s.max_daily_calls, s.balance_microcents,
       (select granted from consents k where k.account_id = c.account_id and k.phone = c.to_number
        order by k.at desc limit 1) as consent,
       exists (select from dnc_entries d where d.account_id = c.account_id and d.phone = c.to_number) as dnc,
       exists (select from dnc_entries d where d.account_id = c.account_id and d.phone = c.to_number
               and d.source = 'call_opt_out') as opted_out,
       (select count(*) from calls a where a.account_id = c.account_id and a.to_number = c.to_number
        and a.direction = 'outbound' and a.dialed_at > now() - interval '24 hours') as number_calls_today,
       (select (extract(epoch from min(a.dialed_at)) * 1000000)::bigint from calls a
        where a.account_id = c.account_id and a.to_number = c.to_number
        and a.direction = 'outbound' and a.dialed_at > now() - interval '24 hours') as oldest_number_call_us,
       (select count(*) from calls a where a.account_id = c.account_id
        and a.dialed_at > now() - interval '24 hours') as account_calls_today,
       exists (select from calls a where a.account_id = c.account_id
               and a.status in ('initiated', 'ringing', 'in_progress') and a.id <> c.id
               and c.to_number = case a.direction when 'outbound' then a.to_number else a.from_number end) as number_busy,
       (select count(*) from calls a where a.account_id = c.account_id
        and a.status in ('initiated', 'ringing', 'in_progress')) as active_calls,
       (select count(*) from calls a where a.lead_id = c.lead_id and a.dialed_at is not null) as lead_attempts,
       (select (extract(epoch from min(a.dialed_at)) * 1000000)::bigint from calls a
        where a.lead_id = c.lead_id) as first_dialed_us
from calls c
left join leads l on l.id = c.lead_id and l.account_id = c.account_id
left join contacts p on p.account_id = c.account_id and p.phone = c.to_number and p.deleted_at is null
left join flows f on f.account_id = c.account_id and f.id = c.flow_id
left join flow_versions v on v.account_id = c.account_id and v.flow_id = c.flow_id and v.version = c.flow_version
left join numbers n on n.account_id = c.account_id and n.phone = c.from_number
left join account_settings s on s.account_id = c.account_id
where c.account_id = $1::text::uuid and c.id = $2::text::uuid",
};

/// The gate said dial: the call is this dialer's, if it still holds the lease and nothing came
/// in between (`dial_objection`: slots, caps, a call to the same phone, consent). The decision is
/// written with it. One row: whether it is `claimed`, and the `objection`, if there was one.
///
/// `$1` account, `$2` call, `$3` token, `$4` lease in ms, `$5` reason, `$6` facts.
pub const CLAIM: Statement = Statement {
    name: "dialing.claim",
    sql: "
with asked as materialized (
    select dial_objection($1::text::uuid, $2::text::uuid) as objection
), claimed as (
    update calls set status = 'initiated', held_reason = null,
                     lease_until = now() + $4::bigint * interval '1 millisecond'
    from asked
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint
      and status = 'queued' and dialed_at is null and asked.objection is null
    returning account_id, id, lead_id
), decision as (
    insert into dial_decisions (account_id, call_id, verdict, reason, facts)
    select account_id, id, 'dial', $5::text, $6::text::jsonb from claimed
), event as (
    insert into events (account_id, call_id, lead_id, type)
    select account_id, id, lead_id, 'call.initiated' from claimed
)
select asked.objection, exists (select from claimed) as claimed from asked",
};

/// The gate said hold: the call waits, unleased. A hold that is only prolonged for the same
/// reason adds no second row to the audit: a full account would write one per call and second.
///
/// `$1` account, `$2` call, `$3` token, `$4` not before in µs, `$5` reason, `$6` facts.
pub const HOLD: Statement = Statement {
    name: "dialing.hold",
    sql: "
with before as (
    select id, held_reason from calls where account_id = $1::text::uuid and id = $2::text::uuid
), held as (
    update calls set not_before = 'epoch'::timestamptz + $4::bigint * interval '1 microsecond',
                     held_reason = $5::text, lease_owner = null, lease_until = null
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint and status = 'queued'
    returning account_id, id
), decision as (
    insert into dial_decisions (account_id, call_id, verdict, reason, facts)
    select held.account_id, held.id, 'hold', $5::text, $6::text::jsonb
    from held join before using (id) where before.held_reason is distinct from $5::text
)
select id::text from held",
};

/// Gives a leased, still queued call back at once, for the gate to be asked again.
///
/// `$1` account, `$2` call, `$3` token.
pub const RELEASE: Statement = Statement {
    name: "dialing.release",
    sql: "
update calls set lease_owner = null, lease_until = null
where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint and status = 'queued'
returning id::text",
};

/// The INVITE goes out now. Written before it does, so that no crash leaves a dialled call that
/// looks as if it had not been dialled. No row: somebody else has the call; do not dial.
///
/// `$1` account, `$2` call, `$3` token.
pub const MARK_DIALED: Statement = Statement {
    name: "dialing.mark_dialed",
    sql: "
update calls set dialed_at = now()
where account_id = $1::text::uuid and id = $2::text::uuid and lease_token = $3::bigint
  and status = 'initiated' and dialed_at is null
returning (extract(epoch from dialed_at) * 1000000)::bigint as dialed_us",
};
