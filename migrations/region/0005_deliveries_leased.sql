-- deliveries.claim counts what is under way to an endpoint: without this it reads the endpoint's
-- whole backlog each time.
create index webhook_deliveries_leased on webhook_deliveries (endpoint_id, lease_until)
    where state = 'pending' and lease_until is not null;
