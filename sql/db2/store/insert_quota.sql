-- Sets a quota where none is.
-- Parameters: run varchar, empty for the whole store; allowed_bytes bigint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.QUOTA.
insert into hadrian.quota (run, allowed_bytes) values (:run, :allowed_bytes)
