//! Webhook deliveries on their way out.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[CLAIM, DELIVERED, FAILED];

/// Leases due deliveries. A delivery waits for earlier ones of the same call to the same
/// endpoint; an endpoint has at most `$4` under way, and one while it fails, so that a slow one
/// does not hold up the others. Only endpoints with something pending are looked at.
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
), due as (
    select d.id, d.place
    from waiting
    join webhook_endpoints e on e.id = waiting.endpoint_id and e.disabled_at is null
    cross join lateral (select case when e.failing_since is null then $4::bigint else 1 end as most) allowed
    cross join lateral (
        select count(*) as under_way from webhook_deliveries busy
        where busy.endpoint_id = e.id and busy.state = 'pending' and busy.lease_until >= now()
    ) now_busy
    cross join lateral (
        select w.id, row_number() over (order by w.next_at, w.seq) as place
        from webhook_deliveries w
        where w.endpoint_id = e.id and w.state = 'pending' and w.next_at <= now()
          and (w.lease_until is null or w.lease_until < now())
          and not exists (select from webhook_deliveries earlier
                          where earlier.endpoint_id = w.endpoint_id and earlier.call_id = w.call_id
                            and earlier.seq < w.seq and earlier.state = 'pending')
        order by w.next_at, w.seq
        limit $4::bigint
    ) d
    where d.place + now_busy.under_way <= allowed.most
), picked as (
    select w.id from webhook_deliveries w join due on due.id = w.id
    where w.state = 'pending' and (w.lease_until is null or w.lease_until < now())
    order by due.place, w.next_at
    limit $3::bigint
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

/// The receiver has it: the delivery ends, the endpoint is well, the trace gets its span.
///
/// `$1` account, `$2` delivery, `$3` owner, `$4` HTTP status, `$5` span id, `$6` sent at in µs.
/// No row where the delivery belongs to no call or is no longer the owner's.
pub const DELIVERED: Statement = Statement {
    name: "deliveries.delivered",
    sql: "
with done as (
    update webhook_deliveries set state = 'delivered', finished_at = now(), last_status = $4::bigint::integer,
                                  last_error = null, lease_owner = null, lease_until = null
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_owner = $3::text and state = 'pending'
    returning account_id, endpoint_id, call_id, event_type, attempts
), endpoint as (
    update webhook_endpoints e set failing_since = null
    from done where e.id = done.endpoint_id and e.failing_since is not null
)
insert into spans (account_id, call_id, span_id, parent_span_id, name, started_at, ended_at, attributes)
select done.account_id, done.call_id, $5::text,
       (select root.span_id from spans root
        where root.call_id = done.call_id and root.parent_span_id is null order by root.started_at limit 1),
       'webhook.out', 'epoch'::timestamptz + $6::bigint * interval '1 microsecond', clock_timestamp(),
       jsonb_build_object('event', done.event_type, 'attempt', done.attempts, 'status', $4::bigint)
from done where done.call_id is not null
on conflict do nothing
returning (select c.trace_id from calls c where c.id = spans.call_id) as trace_id, span_id, parent_span_id, name, status,
          attributes::text, (extract(epoch from started_at) * 1000000)::bigint as started_us,
          (extract(epoch from ended_at) * 1000000)::bigint as ended_us",
};

/// The receiver does not have it: the delivery waits `$6`, and those behind it with it, or it is
/// dead. An endpoint that says it is gone, or fails for five days, is disabled.
///
/// `$1` account, `$2` delivery, `$3` owner, `$4` HTTP status or null, `$5` error, `$6` pause in
/// ms or null for dead, `$7` whether the receiver is gone.
pub const FAILED: Statement = Statement {
    name: "deliveries.failed",
    sql: "
with failed as (
    update webhook_deliveries set
        state = case when $6::bigint is null then 'dead' else 'pending' end,
        finished_at = case when $6::bigint is null then now() end,
        next_at = coalesce(now() + $6::bigint * interval '1 millisecond', next_at),
        last_status = $4::bigint::integer, last_error = $5::text, lease_owner = null, lease_until = null
    where account_id = $1::text::uuid and id = $2::text::uuid and lease_owner = $3::text and state = 'pending'
    returning account_id, endpoint_id, call_id, seq, next_at
), behind as (
    update webhook_deliveries w set next_at = greatest(w.next_at, failed.next_at)
    from failed
    where w.endpoint_id = failed.endpoint_id and w.call_id = failed.call_id
      and w.seq > failed.seq and w.state = 'pending' and $6::bigint is not null
)
update webhook_endpoints e set
    failing_since = coalesce(e.failing_since, now()),
    disabled_at = case when $7::boolean or e.failing_since < now() - interval '5 days' then now() end,
    disabled_reason = case when $7::boolean then 'gone'
                           when e.failing_since < now() - interval '5 days' then 'failing' end
from failed where e.account_id = failed.account_id and e.id = failed.endpoint_id and e.disabled_at is null
returning e.disabled_reason",
};
