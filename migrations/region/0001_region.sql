-- One region's truth. Every tenant-owned table carries account_id, and every statement on it
-- takes the account first. States are text under a named check; the enum is in talkif-model.

-- ---------------------------------------------------------------- accounts' limits and money
create table account_settings (
    account_id             uuid primary key,
    name                   text not null,
    concurrent_calls       integer not null default 10 constraint account_settings_concurrency check (concurrent_calls between 0 and 100000),
    max_attempts_per_lead  integer not null default 4,
    -- Over all leads and flows: attempts to one number in 24 hours.
    max_daily_calls_per_number integer not null default 8,
    max_daily_calls        integer not null default 100000,
    -- 1 USD is 1,000,000 microcents.
    balance_microcents     bigint not null default 0,
    created_at             timestamptz not null default now()
);

-- ---------------------------------------------------------------- people
create table contacts (
    id         uuid primary key,
    account_id uuid not null,
    phone      text not null,
    name       text,
    timezone   text,
    language   text,
    attributes jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint contacts_phone_once unique (account_id, phone)
);

-- Append-only: the newest row of a number says whether it may be called.
create table consents (
    id         uuid primary key,
    account_id uuid not null,
    phone      text not null,
    granted    boolean not null,
    source     text not null,
    evidence   jsonb not null default '{}',
    at         timestamptz not null default now()
);
create index consents_newest on consents (account_id, phone, at desc);

create table dnc_entries (
    account_id uuid not null,
    phone      text not null,
    reason     text,
    source     text not null constraint dnc_source_known check (source in ('manual', 'api', 'call_opt_out', 'bulk_import')),
    created_at timestamptz not null default now(),
    primary key (account_id, phone)
);

-- ---------------------------------------------------------------- flows and numbers
create table flows (
    account_id      uuid not null,
    id              text not null,
    name            text not null,
    current_version integer not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    archived_at     timestamptz,
    primary key (account_id, id)
);

create table flow_versions (
    account_id    uuid not null,
    flow_id       text not null,
    version       integer not null,
    -- What the author wrote, to the letter, and the graph compiled from it.
    source_format text not null constraint flow_versions_format_known check (source_format in ('yaml', 'json')),
    source        text not null,
    source_sha256 bytea not null,
    graph         jsonb not null,
    notes         text,
    created_at    timestamptz not null default now(),
    primary key (account_id, flow_id, version),
    foreign key (account_id, flow_id) references flows (account_id, id) deferrable initially deferred
);

create table numbers (
    id              uuid primary key,
    account_id      uuid not null,
    phone           text not null constraint numbers_phone_once unique,
    friendly_name   text,
    status          text not null default 'active' constraint numbers_status_known check (status in ('active', 'pending', 'suspended', 'released')),
    -- Where outbound calls from this number go: 'host:port' or a SIP URI without user.
    termination_uri text,
    transport       text not null default 'udp' constraint numbers_transport_known check (transport in ('udp', 'tcp', 'tls')),
    sip_username    text,
    -- Fernet token.
    sip_password    text,
    -- The published flow that answers.
    flow_id         text,
    created_at      timestamptz not null default now()
);
create index numbers_by_account on numbers (account_id, created_at);

-- ---------------------------------------------------------------- leads
create table leads (
    id            uuid primary key,
    account_id    uuid not null,
    source        text not null,
    phone         text not null,
    name          text,
    intent        text,
    campaign      text,
    language      text,
    timezone      text,
    flow_id       text not null,
    flow_version  integer not null,
    from_number   text not null,
    call_within_s integer not null,
    metadata      jsonb not null default '{}',
    -- queued: an attempt waits or runs. The others are terminal.
    state         text not null default 'queued' constraint leads_state_known check (state in ('queued', 'reached', 'exhausted', 'canceled', 'blocked')),
    outcome       text constraint leads_outcome_known check (outcome in ('booked', 'qualified', 'not_fit', 'wrong_number', 'no_answer')),
    created_at    timestamptz not null default now(),
    finished_at   timestamptz,
    constraint leads_finish_is_stamped check ((state = 'queued') = (finished_at is null))
);
create index leads_by_account on leads (account_id, created_at desc);
create index leads_by_phone on leads (account_id, phone, created_at desc);

-- ---------------------------------------------------------------- calls
create table calls (
    id             uuid primary key,
    account_id     uuid not null,
    lead_id        uuid references leads (id),
    attempt_no     integer not null default 1,
    direction      text not null constraint calls_direction_known check (direction in ('inbound', 'outbound')),
    flow_id        text,
    flow_version   integer,
    from_number    text not null,
    to_number      text not null,
    status         text not null default 'queued' constraint calls_status_known check (status in
                   ('queued', 'initiated', 'ringing', 'in_progress', 'completed', 'failed', 'no_answer', 'busy', 'canceled')),
    end_reason     text constraint calls_end_reason_known check (end_reason in
                   ('caller_hangup', 'agent_completed', 'agent_error', 'agent_unavailable', 'agent_timeout', 'agent_crashed',
                    'no_answer', 'busy', 'canceled', 'telephony_error', 'balance_depleted', 'reconciled')),
    failure_code   text,
    failure_detail text,
    outcome        text constraint calls_outcome_known check (outcome in ('booked', 'qualified', 'not_fit', 'wrong_number', 'no_answer')),
    outcome_reason text,
    booking        jsonb,
    slots          jsonb not null default '{}',
    -- Dialling: not before, and the budget of 'call_within' (null: none).
    not_before     timestamptz not null default now(),
    dial_deadline  timestamptz,
    held_reason    text,
    -- The lease. lease_token grows with every claim: a node writes only under the token it holds.
    lease_owner    text,
    lease_token    bigint not null default 0,
    lease_until    timestamptz,
    sip_call_id    text,
    sip_status     integer,
    trace_id       text not null,
    recorded       boolean not null default false,
    quality        jsonb,
    created_at     timestamptz not null default now(),
    dialed_at      timestamptz,
    ringing_at     timestamptz,
    answered_at    timestamptz,
    ended_at       timestamptz,
    -- No crash, retry or redelivery can dial twice.
    constraint calls_attempt_once unique (lead_id, attempt_no),
    constraint calls_end_is_whole check (
        (status in ('completed', 'failed', 'no_answer', 'busy', 'canceled')) = (ended_at is not null)
        and (ended_at is null) = (end_reason is null))
);
-- dialing.take
create index calls_due on calls (not_before) where status = 'queued';
-- janitor.requeue, janitor.take_orphans
create index calls_leased on calls (lease_until) where status in ('initiated', 'ringing', 'in_progress');
create index calls_by_account on calls (account_id, created_at desc);
create index calls_by_number on calls (account_id, to_number, dialed_at desc);
-- dialing.facts: the account's calls of the last 24 hours
create index calls_dialed on calls (account_id, dialed_at) where dialed_at is not null;
-- admits_call
create index calls_active on calls (account_id) where status in ('initiated', 'ringing', 'in_progress');

-- Whether the account has a free call slot. Dialers ask in the same statement that takes the
-- slot: the lock is held until that statement commits, and a volatile function sees what others
-- committed before it got the lock, so two dialers never take the last slot together.
create function admits_call(the_account uuid) returns boolean
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(the_account::text, 7302));
    return (select count(*) from calls
            where account_id = the_account and status in ('initiated', 'ringing', 'in_progress'))
         < coalesce((select concurrent_calls from account_settings where account_id = the_account), 0);
end
$$;

create table turns (
    account_id  uuid not null,
    call_id     uuid not null references calls (id),
    turn_no     integer not null,
    speaker     text not null constraint turns_speaker_known check (speaker in ('caller', 'agent')),
    text        text not null,
    started_ms  bigint not null,
    ended_ms    bigint not null,
    interrupted boolean not null default false,
    latency     jsonb,
    primary key (call_id, turn_no)
);

create table spans (
    account_id     uuid not null,
    call_id        uuid not null,
    span_id        text not null,
    parent_span_id text,
    name           text not null,
    started_at     timestamptz not null,
    ended_at       timestamptz not null,
    status         text not null default 'ok',
    attributes     jsonb not null default '{}',
    primary key (call_id, span_id)
);

create table recordings (
    call_id     uuid primary key references calls (id),
    account_id  uuid not null,
    -- Inside the region's object store.
    path        text not null,
    bytes       bigint not null,
    duration_ms bigint not null,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    deleted_at  timestamptz
);

-- One row for each time the gate was asked: what it saw and what it said.
create table dial_decisions (
    id         bigint generated always as identity primary key,
    account_id uuid not null,
    call_id    uuid not null,
    verdict    text not null constraint dial_decisions_verdict_known check (verdict in ('dial', 'hold', 'refuse')),
    reason     text not null,
    facts      jsonb not null,
    at         timestamptz not null default now()
);
create index dial_decisions_by_call on dial_decisions (call_id, id);

-- The log of everything that happened to a call or lead.
create table events (
    id         bigint generated always as identity primary key,
    account_id uuid not null,
    call_id    uuid,
    lead_id    uuid,
    type       text not null,
    data       jsonb not null default '{}',
    at         timestamptz not null default now()
);
create index events_by_call on events (call_id, id);

-- ---------------------------------------------------------------- webhooks
create table webhook_endpoints (
    id            uuid primary key,
    account_id    uuid not null,
    url           text not null,
    -- Patterns: '*', 'outcome.*', 'call.started'.
    events        text[] not null default '{*}',
    -- Fernet token of 'whsec_…'; while secrets rotate, the older one is still signed with.
    secret        text not null,
    old_secret    text,
    old_secret_until timestamptz,
    failing_since timestamptz,
    disabled_at   timestamptz,
    disabled_reason text,
    created_at    timestamptz not null default now()
);
create index webhook_endpoints_by_account on webhook_endpoints (account_id) where disabled_at is null;

create table webhook_deliveries (
    id          uuid primary key,
    -- Order of writing: deliveries of one call to one endpoint keep it.
    seq         bigint generated always as identity,
    account_id  uuid not null,
    endpoint_id uuid not null references webhook_endpoints (id) on delete cascade,
    event_id    uuid not null,
    event_type  text not null,
    call_id     uuid,
    lead_id     uuid,
    -- The exact bytes that are signed and sent.
    payload     text not null,
    state       text not null default 'pending' constraint webhook_deliveries_state_known check (state in ('pending', 'delivered', 'dead')),
    attempts    integer not null default 0,
    next_at     timestamptz not null default now(),
    lease_owner text,
    lease_until timestamptz,
    last_status integer,
    last_error  text,
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    constraint webhook_deliveries_once unique (endpoint_id, event_id)
);
-- deliveries.claim
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at, seq) where state = 'pending';
create index webhook_deliveries_in_order on webhook_deliveries (endpoint_id, call_id, seq) where state = 'pending';

-- ---------------------------------------------------------------- requests and nodes
create table idempotency_keys (
    account_id  uuid not null,
    key         text not null,
    route       text not null,
    body_sha256 bytea not null,
    status      integer not null,
    response    text not null,
    created_at  timestamptz not null default now(),
    primary key (account_id, route, key)
);

create table nodes (
    id           text primary key,
    region       text not null,
    sip_address  text not null,
    artifacts_url text not null,
    slots        integer not null,
    draining     boolean not null default false,
    started_at   timestamptz not null default now(),
    heartbeat_at timestamptz not null default now()
);
