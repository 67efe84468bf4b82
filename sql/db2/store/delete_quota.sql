-- Takes a quota away.
-- Parameters: run varchar, empty for the whole store.
-- Columns: none.
-- Since: Db2 10.5. Privilege: delete on HADRIAN.QUOTA.
delete from hadrian.quota where run = :run
