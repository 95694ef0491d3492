-- Calls that were there before their changes were tallied. One statement sees the calls and what is
-- tallied of them at one moment, and writes the difference down as a change: calls may come and end
-- meanwhile.
with counted as (
    select account_id, 'kept' as counted, count(*) as calls from calls group by account_id
    union all
    select account_id, status, count(*) from calls where ended_at is not null group by account_id, status
)
insert into call_tally_changes
    select account_id, counted, calls - calls_tallied(account_id, counted) from counted
    where calls <> calls_tallied(account_id, counted);
