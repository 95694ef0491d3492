-- auth.create_key: the answers kept under idempotency keys, next to the API keys they are about,
-- so that one statement writes both. They hold a key's secret and are sealed.
create table directory.idempotency_keys (
    account_id  uuid not null,
    key         text not null,
    route       text not null,
    body_sha256 bytea not null,
    status      integer not null,
    response    text not null,
    created_at  timestamptz not null default now(),
    primary key (account_id, route, key)
);

-- The account's lowest free slot of 25, or null, however many requests ask at the same time: the
-- lock is held until the asking statement commits, and a volatile function sees what others
-- committed before it got the lock.
create function directory.free_key_slot(the_account uuid) returns smallint
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(the_account::text, 7304));
    return (select min(n)::smallint from generate_series(1, 25) n
            where not exists (select from directory.api_keys k
                              where k.account_id = the_account and k.slot = n and k.revoked_at is null));
end
$$;
