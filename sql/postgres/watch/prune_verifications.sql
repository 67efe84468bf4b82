-- Deletes comparisons from before some time.
-- Parameters: before timestamp, in UTC.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: select and delete on hadrian.verification.
delete from hadrian.verification where recorded_at < :before
