-- Deletes objects that were not found the same since some time: those that are gone, for one.
-- Parameters: before timestamp, in UTC.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: select and delete on hadrian.verified.
delete from hadrian.verified where verified_at < :before
