-- journal.finish: an agent can put its caller through to somebody else.
-- 'not valid' takes no long lock; rows that exist have one of the former reasons, so it holds.
alter table calls drop constraint calls_end_reason_known;
alter table calls add constraint calls_end_reason_known check (end_reason in
    ('caller_hangup', 'agent_completed', 'agent_error', 'agent_unavailable', 'agent_timeout', 'agent_crashed',
     'no_answer', 'busy', 'canceled', 'telephony_error', 'balance_depleted', 'reconciled', 'transferred')) not valid;
alter table calls validate constraint calls_end_reason_known;
