-- no-transaction
-- calls.list_by_status: a page of one status among many of the others.
create index concurrently if not exists calls_by_status on calls (account_id, status, created_at desc);
