-- How many calls an account has, for the totals of its lists: counting the calls themselves takes
-- longer with every call. Whoever changes a call adds a row to the changes and waits for nobody;
-- janitor.tally adds the changes up.

-- Of each account, by what is counted: 'kept' are all its calls, a terminal status those that
-- ended so. What is under way is few and is counted where it stands.
create table call_tallies (
    account_id uuid not null,
    counted    text not null,
    calls      bigint not null,
    primary key (account_id, counted)
);
create table call_tally_changes (
    account_id uuid not null,
    counted    text not null,
    change     bigint not null
);
create index call_tally_changes_by_account on call_tally_changes (account_id, counted);

-- Once for each statement, however many calls it adds or removes.
create function tally_calls() returns trigger language plpgsql as $$
begin
    insert into call_tally_changes
        select account_id, 'kept', count(*) * tg_argv[0]::bigint from moved group by account_id
        union all
        select account_id, status, count(*) * tg_argv[0]::bigint from moved
        where ended_at is not null group by account_id, status;
    return null;
end
$$;
create function tally_end() returns trigger language plpgsql as $$
begin
    if old.ended_at is not null then
        insert into call_tally_changes values (old.account_id, old.status, -1);
    end if;
    if new.ended_at is not null then
        insert into call_tally_changes values (new.account_id, new.status, 1);
    end if;
    return null;
end
$$;
create trigger calls_added after insert on calls referencing new table as moved
    for each statement execute function tally_calls('1');
create trigger calls_removed after delete on calls referencing old table as moved
    for each statement execute function tally_calls('-1');
create trigger calls_ended after update on calls for each row
    when (old.status <> new.status and (old.ended_at is not null or new.ended_at is not null))
    execute function tally_end();

-- What was counted so of an account's calls.
create function calls_tallied(the_account uuid, the_count text) returns bigint language sql stable as $$
    select (select coalesce(sum(calls), 0) from call_tallies
            where account_id = the_account and counted = the_count)::bigint
         + (select coalesce(sum(change), 0) from call_tally_changes
            where account_id = the_account and counted = the_count)::bigint
$$;

-- An account's calls of a status, or all where it is null, without reading them.
create function calls_total(the_account uuid, the_status text) returns bigint language sql stable as $$
    select case
        when the_status is null then calls_tallied(the_account, 'kept')
        when the_status in ('initiated', 'ringing', 'in_progress') then
            (select count(*) from calls
             where account_id = the_account and status in ('initiated', 'ringing', 'in_progress')
               and status = the_status)
        when the_status = 'queued' then
            calls_tallied(the_account, 'kept')
            - (select sum(calls_tallied(the_account, ended))
               from unnest(array['completed', 'failed', 'no_answer', 'busy', 'canceled']) ended)::bigint
            - (select count(*) from calls
               where account_id = the_account and status in ('initiated', 'ringing', 'in_progress'))
        else calls_tallied(the_account, the_status)
    end
$$;
