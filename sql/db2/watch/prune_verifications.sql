-- Deletes comparisons from before some time.
-- Parameters: before timestamp.
-- Columns: none.
-- Since: Db2 10.5. Privilege: select and delete on hadrian.verification.
delete from hadrian.verification where recorded_at < :before
