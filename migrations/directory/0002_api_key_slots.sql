-- At most 25 keys per account that are not revoked, whatever runs at the same time: every one
-- holds a numbered slot. Serves auth.create_key.
alter table directory.api_keys
    add column slot smallint constraint api_keys_slot_range check (slot between 1 and 25);
create unique index api_keys_slot_once on directory.api_keys (account_id, slot) where revoked_at is null;
