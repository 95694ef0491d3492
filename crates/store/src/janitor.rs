//! Putting right what crashes and time leave behind.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[
    ANSWER,
    REQUEUE,
    TAKE_ORPHANS,
    TAKE_STUCK,
    EXPIRED_RECORDINGS,
    RECORDING_DELETED,
    UNKNOWN_RECORDINGS,
    GIVE_UP_DISABLED,
    FORGET,
    TALLY,
];

/// What time it is, if leases can be renewed now: it waits for whatever a renewal waits for, a
/// lock on the table as well as the disk that commits are written to.
pub const ANSWER: Statement = Statement {
    name: "janitor.answer",
    sql: "
with locked as (
    update calls set lease_until = lease_until where false
)
select (extract(epoch from now()) * 1000000)::bigint as now_us,
       pg_logical_emit_message(true, 'talkif', '')::text as committed",
};

/// Claimed calls whose node died before the INVITE: the same attempt is queued again. The token
/// grows, so that the node, should it only have been slow, no longer dials.
///
/// `$1` grace in ms, `$2` the calls that the asker runs, which are left alone, `$3` as of when
/// leases are judged.
pub const REQUEUE: Statement = Statement {
    name: "janitor.requeue",
    sql: "
with orphaned as (
    select id from calls
    where status = 'initiated' and dialed_at is null and direction = 'outbound'
      and lease_until < least(now(), to_timestamp($3::bigint / 1000000.0)) - $1::bigint * interval '1 millisecond'
      and id <> all($2::text[]::uuid[])
    order by lease_until limit 100
    for update skip locked
), requeued as (
    update calls set status = 'queued', not_before = now(), lease_owner = null, lease_until = null,
                     lease_token = lease_token + 1
    from orphaned where calls.id = orphaned.id
    returning calls.account_id, calls.id, calls.lead_id
), event as (
    insert into events (account_id, call_id, lead_id, type)
    select account_id, id, lead_id, 'call.requeued' from requeued
)
select account_id::text, id::text from requeued",
};

/// Calls whose node died after the INVITE may have gone out, or in mid-call: the janitor takes
/// the lease, to end them.
///
/// `$1` grace in ms, `$2` the calls that the asker runs, which are left alone, `$3` as of when
/// leases are judged, `$4` the asker, `$5` lease in ms.
pub const TAKE_ORPHANS: Statement = Statement {
    name: "janitor.take_orphans",
    sql: "
with orphaned as (
    select id from calls
    where status in ('initiated', 'ringing', 'in_progress')
      and not (status = 'initiated' and dialed_at is null and direction = 'outbound')
      and lease_until < least(now(), to_timestamp($3::bigint / 1000000.0)) - $1::bigint * interval '1 millisecond'
      and id <> all($2::text[]::uuid[])
    order by lease_until limit 100
    for update skip locked
)
update calls set lease_owner = $4::text, lease_token = lease_token + 1,
                 lease_until = now() + $5::bigint * interval '1 millisecond'
from orphaned where calls.id = orphaned.id
returning calls.account_id::text, calls.id::text, calls.lease_token",
};

/// Calls that go on although their flow's limits (or two hours, where there is no flow) are long
/// over, leased or not: whoever holds them is stuck.
///
/// `$1` grace in ms, `$2` the asker, `$3` lease in ms.
pub const TAKE_STUCK: Statement = Statement {
    name: "janitor.take_stuck",
    sql: "
with stuck as (
    select c.id from calls c
    left join flow_versions v on v.account_id = c.account_id and v.flow_id = c.flow_id and v.version = c.flow_version
    where c.status in ('initiated', 'ringing', 'in_progress')
      and coalesce(c.answered_at, c.ringing_at, c.dialed_at)
        + coalesce((v.graph -> 'call' ->> 'max_duration_s')::bigint
                 + (v.graph -> 'call' ->> 'max_ring_s')::bigint, 7200) * interval '1 second'
        + $1::bigint * interval '1 millisecond' < now()
    limit 100
    for update of c skip locked
)
update calls set lease_owner = $2::text, lease_token = lease_token + 1,
                 lease_until = now() + $3::bigint * interval '1 millisecond'
from stuck where calls.id = stuck.id
returning calls.account_id::text, calls.id::text, calls.lease_token",
};

/// Takes a hundred recordings whose time is over, to delete them. Each counts as not deleted until
/// it is, and comes back in an hour: so nodes share them, and those that cannot be deleted do not
/// keep all others.
pub const EXPIRED_RECORDINGS: Statement = Statement {
    name: "janitor.expired_recordings",
    sql: "
with due as (
    select call_id from recordings
    where expires_at < now() and deleted_at is null
      and (deletion_failed_at is null or deletion_failed_at < now() - interval '1 hour')
    order by expires_at limit 100
    for update skip locked
)
update recordings set deletion_failed_at = now()
from due where recordings.call_id = due.call_id
returning recordings.account_id::text, recordings.call_id::text, recordings.path",
};

/// The recording is gone from the object store.
///
/// `$1` account, `$2` call.
pub const RECORDING_DELETED: Statement = Statement {
    name: "janitor.recording_deleted",
    sql: "
update recordings set deleted_at = now()
where account_id = $1::text::uuid and call_id = $2::text::uuid and deleted_at is null
returning call_id::text",
};

/// Which of these files of the object store belong to no recording that is kept.
///
/// `$1` paths.
pub const UNKNOWN_RECORDINGS: Statement = Statement {
    name: "janitor.unknown_recordings",
    sql: "
select f.path from unnest($1::text[]) as f(path)
where not exists (select from recordings r where r.path = f.path and r.deleted_at is null)",
};

/// Deliveries to endpoints that have been disabled for three days are dead. Until then they wait:
/// an endpoint that is enabled again gets them. A thousand at a time; says how many.
pub const GIVE_UP_DISABLED: Statement = Statement {
    name: "janitor.give_up_disabled",
    sql: "
with late as (
    select w.id from webhook_endpoints e
    join webhook_deliveries w on w.endpoint_id = e.id and w.state = 'pending'
    where e.disabled_at < now() - interval '72 hours'
    limit 1000
    for update of w skip locked
), dead as (
    update webhook_deliveries w set state = 'dead', finished_at = now(),
                                    last_error = 'the endpoint is disabled',
                                    lease_owner = null, lease_until = null
    from late where w.id = late.id
    returning 1
)
select count(*) as changes from dead",
};

/// What nobody will ask for again: idempotency keys of yesterday, deliveries that ended a month
/// ago, nodes that have been silent for a day; a thousand at a time. Says how many, at most of one
/// kind.
pub const FORGET: Statement = Statement {
    name: "janitor.forget",
    sql: "
with keys as (
    delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where created_at < now() - interval '24 hours'
        order by created_at limit 1000 for update skip locked))
    returning 1
), deliveries as (
    delete from webhook_deliveries where id = any(array(
        select id from webhook_deliveries where finished_at < now() - interval '30 days'
        order by finished_at limit 1000 for update skip locked))
    returning 1
), silent as (
    delete from nodes where heartbeat_at < now() - interval '1 day'
)
select greatest((select count(*) from keys), (select count(*) from deliveries)) as changes",
};

/// Adds up what changed in the numbers of calls since it was last asked; how many changes these
/// were.
pub const TALLY: Statement = Statement {
    name: "janitor.tally",
    sql: "
with taken as (
    delete from call_tally_changes
    where ctid = any(array(select ctid from call_tally_changes limit 10000 for update skip locked))
    returning account_id, counted, change
), tallied as (
    insert into call_tallies as kept (account_id, counted, calls)
    select account_id, counted, sum(change) from taken group by account_id, counted order by 1, 2
    on conflict (account_id, counted) do update set calls = kept.calls + excluded.calls
)
select count(*) as changes from taken",
};
