-- What a row of a snapshot was copied from, so that going back gives it its id again. Only rows of snapshots have it, and not those
-- of snapshots that are older than this.
alter table tags add column origin_id uuid;
alter table custom_fields add column origin_id uuid;
alter table objects add column origin_id uuid;
