//! Flows and their immutable versions.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[PUBLISH, FETCH, LIST];

/// Makes a flow or its next version. The same source as the current version changes nothing.
///
/// `$1` account, `$2` flow, `$3` name, `$4` format, `$5` source, `$6` SHA-256 of the source,
/// `$7` graph (JSON), `$8` notes or null.
pub const PUBLISH: Statement = Statement {
    name: "flows.publish",
    sql: "
with same as (
    select v.version
    from flows f
    join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id and v.version = f.current_version
    where f.account_id = $1::text::uuid and f.id = $2::text and f.archived_at is null
      and v.source_sha256 = $6::bytea and v.source_format = $4::text
), flow as (
    insert into flows as f (account_id, id, name, current_version)
    select $1::text::uuid, $2::text, $3::text, 1
    where not exists (select from same)
    on conflict (account_id, id) do update
        set current_version = f.current_version + 1, name = excluded.name,
            updated_at = now(), archived_at = null
    returning f.current_version
), version as (
    insert into flow_versions (account_id, flow_id, version, source_format, source, source_sha256, graph, notes)
    select $1::text::uuid, $2::text, current_version, $4::text, $5::text, $6::bytea, $7::text::jsonb, $8::text
    from flow
    returning version
)
select version, true as created from version
union all
select version, false as created from same",
};

/// A flow with its current source and its versions, newest first.
///
/// `$1` account, `$2` flow.
pub const FETCH: Statement = Statement {
    name: "flows.fetch",
    sql: "
select f.id, f.name, f.current_version, v.source_format, v.source, v.graph::text,
       (extract(epoch from f.created_at) * 1000000)::bigint as created_us,
       (extract(epoch from f.updated_at) * 1000000)::bigint as updated_us,
       (select json_agg(json_build_object(
                   'version', o.version, 'notes', o.notes, 'source_sha256', encode(o.source_sha256, 'hex'),
                   'created_us', (extract(epoch from o.created_at) * 1000000)::bigint)
               order by o.version desc)::text
        from flow_versions o where o.account_id = $1::text::uuid and o.flow_id = f.id) as versions
from flows f
join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id and v.version = f.current_version
where f.account_id = $1::text::uuid and f.id = $2::text and f.archived_at is null",
};

/// The account's flows by id. At least one row: the total.
///
/// `$1` account, `$2` limit, `$3` offset.
pub const LIST: Statement = Statement {
    name: "flows.list",
    sql: "
with page as (
    select * from flows
    where account_id = $1::text::uuid and archived_at is null
    order by id
    limit $2::bigint offset $3::bigint
), total as (
    select count(*) as total from flows where account_id = $1::text::uuid and archived_at is null
)
select total.total, f.id, f.name, f.current_version,
       (extract(epoch from f.created_at) * 1000000)::bigint as created_us,
       (extract(epoch from f.updated_at) * 1000000)::bigint as updated_us
from total left join page f on true
order by f.id",
};
