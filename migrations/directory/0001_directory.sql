-- The directory: who has an account, where it lives, which keys open it. One writer, a read
-- replica in every region. It holds nothing about the people who are called.
create schema if not exists directory;

create table directory.accounts (
    id               uuid primary key,
    name             text not null,
    home_region      text not null constraint accounts_home_region_known check (home_region in ('eu-west', 'us-east', 'tr-ist')),
    -- A strict account's requests are never forwarded: the wrong edge answers 421.
    strict_residency boolean not null default false,
    status           text not null default 'active' constraint accounts_status_known check (status in ('active', 'suspended')),
    created_at       timestamptz not null default now()
);

create table directory.api_keys (
    id            uuid primary key,
    account_id    uuid not null references directory.accounts (id),
    -- At most 25 keys that are not revoked, whatever runs at the same time: each holds a slot.
    slot          smallint constraint api_keys_slot_range check (slot between 1 and 25),
    name          text not null constraint api_keys_name_length check (char_length(name) between 1 and 100),
    -- SHA-256 of the whole key; the key itself is shown once and never stored.
    sha256        bytea not null constraint api_keys_sha256_length check (octet_length(sha256) = 32),
    -- For people to tell keys apart: 'tif_live_aBc…hijk'.
    hint          text not null,
    mode          text not null constraint api_keys_mode_known check (mode in ('live', 'test')),
    scopes        text[] not null,
    allowed_cidrs text[] not null default '{}',
    expires_at    timestamptz,
    revoked_at    timestamptz,
    created_at    timestamptz not null default now()
);
-- auth.find_key
create unique index api_keys_by_sha256 on directory.api_keys (sha256);
-- auth.create_key
create unique index api_keys_slot_once on directory.api_keys (account_id, slot) where revoked_at is null;
-- auth.list_keys
create index api_keys_by_account on directory.api_keys (account_id, created_at);

create table directory.number_owners (
    phone      text primary key,
    account_id uuid not null references directory.accounts (id),
    region     text not null
);

create table directory.regions (
    name     text primary key,
    -- Where the region's edge answers, for forwarding and for 421.
    edge_url text not null
);
