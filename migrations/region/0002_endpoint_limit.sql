-- webhook_endpoints.create: whether the account has room for another endpoint, however many
-- requests ask at the same time. As with admits_call, the lock is held until the asking statement
-- commits, and a volatile function sees what others committed before it got the lock.
create function admits_endpoint(the_account uuid) returns boolean
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(the_account::text, 7303));
    return (select count(*) from webhook_endpoints where account_id = the_account) < 20;
end
$$;
