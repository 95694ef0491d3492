//! Webhook endpoints as the API manages them. Delivering is the courier's.

use crate::Statement;
use crate::idempotency::keeping_answer;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[CREATE, LIST, FETCH, DELETE, FIND_BY_URL, RENEW];

/// Adds an endpoint; not `written` where the account has 20 already.
///
/// `$1` to `$6` as [`crate::idempotency`] says, `$7` id, `$8` URL, `$9` sealed secret, `$10`
/// event patterns, `$11` now in µs.
pub const CREATE: Statement = Statement {
    name: "webhook_endpoints.create",
    sql: concat!(
        "
with gate as (
    select admits_endpoint($1::text::uuid) as open
), ",
        keeping_answer!("idempotency_keys"),
        ", created as (
    insert into webhook_endpoints (id, account_id, url, secret, events, created_at)
    select $7::text::uuid, $1::text::uuid, $8::text, $9::text, $10::text[],
           'epoch'::timestamptz + make_interval(secs => $11::bigint / 1000000.0)
    from first where written
)
select written from first"
    ),
};

/// The account's endpoints, oldest first. At least one row: the total.
///
/// `$1` account, `$2` limit, `$3` offset.
pub const LIST: Statement = Statement {
    name: "webhook_endpoints.list",
    sql: "
with page as (
    select * from webhook_endpoints
    where account_id = $1::text::uuid
    order by created_at, id
    limit $2::bigint offset $3::bigint
), total as (
    select count(*) as total from webhook_endpoints where account_id = $1::text::uuid
)
select total.total, w.id::text, w.url, w.events, w.disabled_at is not null as disabled, w.disabled_reason,
       (extract(epoch from w.failing_since) * 1000000)::bigint as failing_us,
       (extract(epoch from w.created_at) * 1000000)::bigint as created_us
from total left join page w on true
order by w.created_at, w.id",
};

/// One endpoint.
///
/// `$1` account, `$2` endpoint.
pub const FETCH: Statement = Statement {
    name: "webhook_endpoints.fetch",
    sql: "
select w.id::text, w.url, w.events, w.disabled_at is not null as disabled, w.disabled_reason,
       (extract(epoch from w.failing_since) * 1000000)::bigint as failing_us,
       (extract(epoch from w.created_at) * 1000000)::bigint as created_us
from webhook_endpoints w
where w.account_id = $1::text::uuid and w.id = $2::text::uuid",
};

/// Deletes an endpoint with its deliveries.
///
/// `$1` account, `$2` endpoint.
pub const DELETE: Statement = Statement {
    name: "webhook_endpoints.delete",
    sql: "
delete from webhook_endpoints
where account_id = $1::text::uuid and id = $2::text::uuid
returning id::text",
};

/// The account's endpoint of this URL.
///
/// `$1` account, `$2` URL.
pub const FIND_BY_URL: Statement = Statement {
    name: "webhook_endpoints.find_by_url",
    sql: "
select id::text from webhook_endpoints
where account_id = $1::text::uuid and url = $2::text
order by created_at limit 1",
};

/// Gives an endpoint a new secret, at `$3` from now on. Its deliveries stay, those that wait too,
/// and it is enabled again.
///
/// `$1` account, `$2` endpoint, `$3` URL, `$4` secret, `$5` event patterns.
pub const RENEW: Statement = Statement {
    name: "webhook_endpoints.renew",
    sql: "
update webhook_endpoints
set url = $3::text, secret = $4::text, events = $5::text[], disabled_at = null, disabled_reason = null, failing_since = null
where account_id = $1::text::uuid and id = $2::text::uuid
returning id::text",
};
