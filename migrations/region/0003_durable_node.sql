-- What the media node's durable side needs: money per call, writing an event once, and indexes
-- under everything that is asked for every few seconds.

-- ---------------------------------------------------------------- money
-- The product publishes no price. The rate is the operator's; started minutes of answered calls
-- are charged, as the product's pricing page says of telephony.
alter table account_settings add column rate_microcents_per_minute bigint not null default 10000
    constraint account_settings_rate check (rate_microcents_per_minute >= 0);
-- journal.finish: written with the terminal state, so a call is charged once.
alter table calls add column billed_minutes integer;
alter table calls add column charged_microcents bigint;

-- ---------------------------------------------------------------- events
-- journal.record: the number of a session's entry, so that a batch whose answer was lost can be
-- written again.
alter table events add column seq bigint;
create unique index events_once on events (call_id, seq) where seq is not null;

-- ---------------------------------------------------------------- dialling
-- dialing.take: the due calls of each account.
create index calls_due_by_account on calls (account_id, not_before) where status = 'queued';
drop index calls_due;

-- Why a call that the gate let through must not be claimed after all, or null. Dialers ask in the
-- same statement that claims the call. The lock is held until that statement commits, and a
-- volatile function sees what others committed before it got the lock, so two dialers never take
-- the last slot together, never pass a cap together, and never ring one phone twice at a time.
-- 'changed' sends the dialer back to the gate.
create function dial_objection(the_account uuid, the_call uuid) returns text
language plpgsql volatile as $$
declare
    the_phone text;
    the_limits account_settings;
begin
    perform pg_advisory_xact_lock(hashtextextended(the_account::text, 7302));
    select to_number into the_phone from calls where account_id = the_account and id = the_call;
    select * into the_limits from account_settings where account_id = the_account;
    if (select count(*) from calls
        where account_id = the_account and status in ('initiated', 'ringing', 'in_progress'))
        >= coalesce(the_limits.concurrent_calls, 0) then
        return 'no_free_slot';
    end if;
    if exists (select from calls
               where account_id = the_account and status in ('initiated', 'ringing', 'in_progress')
                 and the_phone = case direction when 'outbound' then to_number else from_number end) then
        return 'number_busy';
    end if;
    if exists (select from dnc_entries where account_id = the_account and phone = the_phone)
        or not coalesce((select granted from consents where account_id = the_account and phone = the_phone
                         order by at desc limit 1), false)
        or (select count(*) from calls
            where account_id = the_account and to_number = the_phone and direction = 'outbound'
              and dialed_at > now() - interval '24 hours') >= the_limits.max_daily_calls_per_number
        or (select count(*) from calls
            where account_id = the_account and dialed_at > now() - interval '24 hours') >= the_limits.max_daily_calls then
        return 'changed';
    end if;
    return null;
end
$$;

-- ---------------------------------------------------------------- upkeep
-- janitor.forget
create index idempotency_keys_old on idempotency_keys (created_at);
create index webhook_deliveries_finished on webhook_deliveries (finished_at) where finished_at is not null;
-- janitor.give_up_disabled
create index webhook_endpoints_disabled on webhook_endpoints (disabled_at) where disabled_at is not null;
-- janitor.expired_recordings, janitor.unknown_recordings
alter table recordings add column deletion_failed_at timestamptz;
create index recordings_expiring on recordings (expires_at) where deleted_at is null;
create index recordings_by_path on recordings (path);
