//! Webhook deliveries on their way out.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[CLAIM, DELIVERED, FAILED];

/// Leases due deliveries. A delivery waits for earlier ones of the same call to the same
/// endpoint; an endpoint has at most `$4` under way, and one while it fails, and those with the
/// fewest under way go first, so that slow ones do not hold up the others. Only endpoints with something pending are looked at. The steps are
/// materialised and joined by key: in a burst the planner's idea of how much is pending is old,
/// and each other plan reads all of that once for every row.
///
/// `$1` owner, `$2` lease in ms, `$3` limit, `$4` limit for each endpoint.
pub const CLAIM: Statement = Statement {
    name: "deliveries.claim",
    sql: "
with recursive waiting as (
    -- From endpoint to endpoint along the index, not over all deliveries or all endpoints.
    (select endpoint_id from webhook_deliveries where state = 'pending' order by endpoint_id limit 1)
    union all
    select (select d.endpoint_id from webhook_deliveries d
            where d.state = 'pending' and d.endpoint_id > waiting.endpoint_id
            order by d.endpoint_id limit 1)
    from waiting where waiting.endpoint_id is not null
), room as materialized (
    select e.id as endpoint_id, busy.deliveries as busy,
           case when e.failing_since is null then $4::bigint else 1 end - busy.deliveries as free
    from waiting
    join webhook_endpoints e on e.id = waiting.endpoint_id and e.disabled_at is null
    cross join lateral (
        select count(*) as deliveries from webhook_deliveries w
        where w.endpoint_id = e.id and w.state = 'pending' and w.lease_until >= now()
    ) busy
), due as materialized (
    select d.id, room.busy + d.place as place, d.next_at
    from room
    cross join lateral (
        select next.id, next.next_at, row_number() over (order by next.next_at, next.seq) as place
        from (select w.id, w.next_at, w.seq from webhook_deliveries w
              where w.endpoint_id = room.endpoint_id and w.state = 'pending' and w.next_at <= now()
                and (w.lease_until is null or w.lease_until < now())
                and (w.call_id is null
                     or not exists (select from webhook_deliveries earlier
                                    where earlier.endpoint_id = w.endpoint_id and earlier.call_id = w.call_id
                                      and earlier.seq < w.seq and earlier.state = 'pending'))
              order by w.next_at, w.seq
              -- No more rows are looked at than may go.
              limit greatest(room.free, 0)) next
    ) d
), picked as materialized (
    select w.id from webhook_deliveries w
    where w.id = any(array(select due.id from due order by due.place, due.next_at limit $3::bigint))
      -- Pending, in words that name no index but the key's.
      and w.finished_at is null and (w.lease_until is null or w.lease_until < now())
    for update of w skip locked
)
update webhook_deliveries w set lease_owner = $1::text, attempts = w.attempts + 1,
                                lease_until = now() + $2::bigint * interval '1 millisecond'
from picked, webhook_endpoints e
where w.id = picked.id and e.id = w.endpoint_id
returning w.account_id::text, w.id::text, w.endpoint_id::text, w.event_id::text, w.event_type, w.payload, w.attempts,
          w.call_id::text, e.url, e.secret,
          case when e.old_secret_until > now() then e.old_secret end as old_secret",
};

/// The receivers have them: each delivery ends, its endpoint is well, its trace gets a span.
/// Every row is fenced for itself, by owner and attempt, which each claim counts: one that is no
/// longer the owner's, or that the owner has claimed again, is left alone, and the others are not.
///
/// `$1` owner; then arrays, one element a delivery: `$2` accounts, `$3` deliveries, `$4` attempts,
/// `$5` HTTP statuses, `$6` span ids, `$7` sent at and `$8` answered at in µs. A row for each
/// span: deliveries that belong to no call have none.
pub const DELIVERED: Statement = Statement {
    name: "deliveries.delivered",
    sql: "
with result as (
    select * from unnest($2::text[]::uuid[], $3::text[]::uuid[], $4::text[]::bigint[], $5::text[]::bigint[],
                         $6::text[], $7::text[]::bigint[], $8::text[]::bigint[])
        as r (account_id, id, attempt, status, span_id, sent_us, answered_us)
), done as (
    update webhook_deliveries w set state = 'delivered', finished_at = now(), last_status = r.status::integer,
                                    last_error = null, lease_owner = null, lease_until = null
    from result r
    where w.account_id = r.account_id and w.id = r.id and w.lease_owner = $1::text and w.attempts = r.attempt
      and w.state = 'pending'
    returning w.account_id, w.endpoint_id, w.call_id, w.event_type, w.attempts, r.status, r.span_id,
              r.sent_us, r.answered_us
), endpoint as (
    update webhook_endpoints e set failing_since = null
    where e.id in (select endpoint_id from done) and e.failing_since is not null
)
insert into spans (account_id, call_id, span_id, parent_span_id, name, started_at, ended_at, attributes)
select done.account_id, done.call_id, done.span_id,
       (select root.span_id from spans root
        where root.call_id = done.call_id and root.parent_span_id is null order by root.started_at limit 1),
       'webhook.out', 'epoch'::timestamptz + done.sent_us * interval '1 microsecond',
       'epoch'::timestamptz + done.answered_us * interval '1 microsecond',
       jsonb_build_object('event', done.event_type, 'attempt', done.attempts, 'status', done.status)
from done where done.call_id is not null
on conflict do nothing
returning (select c.trace_id from calls c where c.id = spans.call_id) as trace_id, span_id, parent_span_id, name, status,
          attributes::text, (extract(epoch from started_at) * 1000000)::bigint as started_us,
          (extract(epoch from ended_at) * 1000000)::bigint as ended_us",
};

/// The receivers do not have them: each delivery waits its pause, and those behind it with it, or
/// it is dead. An endpoint that says it is gone, or fails for five days, is disabled. Every row is
/// fenced for itself, as in [`DELIVERED`].
///
/// `$1` owner; then arrays, one element a delivery, empty texts for null: `$2` accounts, `$3`
/// deliveries, `$4` attempts, `$5` HTTP statuses or null, `$6` errors, `$7` pauses in ms or null for
/// dead, `$8` `true` where the receiver is gone. A row for each endpoint that was disabled.
pub const FAILED: Statement = Statement {
    name: "deliveries.failed",
    sql: "
with result as (
    select r.account_id, r.id, r.attempt, nullif(r.status, '')::integer as status, r.error,
           nullif(r.pause_ms, '')::bigint * interval '1 millisecond' as pause, r.gone::boolean as gone
    from unnest($2::text[]::uuid[], $3::text[]::uuid[], $4::text[]::bigint[], $5::text[], $6::text[], $7::text[],
                $8::text[])
        as r (account_id, id, attempt, status, error, pause_ms, gone)
), failed as (
    update webhook_deliveries w set
        state = case when r.pause is null then 'dead' else 'pending' end,
        finished_at = case when r.pause is null then now() end,
        next_at = coalesce(now() + r.pause, w.next_at),
        last_status = r.status, last_error = r.error, lease_owner = null, lease_until = null
    from result r
    where w.account_id = r.account_id and w.id = r.id and w.lease_owner = $1::text and w.attempts = r.attempt
      and w.state = 'pending'
    returning w.id, w.account_id, w.endpoint_id, w.call_id, w.seq, w.next_at, w.state, r.gone
), behind as (
    update webhook_deliveries w set next_at = greatest(w.next_at, failed.next_at)
    from failed
    where w.endpoint_id = failed.endpoint_id and w.call_id = failed.call_id
      and w.seq > failed.seq and w.state = 'pending' and failed.state = 'pending'
      and w.id not in (select id from failed)
), failing as (
    select account_id, endpoint_id, bool_or(gone) as gone from failed group by account_id, endpoint_id
)
update webhook_endpoints e set
    failing_since = coalesce(e.failing_since, now()),
    disabled_at = case when failing.gone or e.failing_since < now() - interval '5 days' then now() end,
    disabled_reason = case when failing.gone then 'gone'
                           when e.failing_since < now() - interval '5 days' then 'failing' end
from failing where e.account_id = failing.account_id and e.id = failing.endpoint_id and e.disabled_at is null
returning e.id::text as endpoint_id, e.disabled_reason",
};
