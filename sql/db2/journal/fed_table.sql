-- The table that a feed's journal is of.
-- Parameters: feed varchar.
-- Columns: schema_name varchar; table_name varchar.
-- Since: Db2 10.5. Privilege: select on HADRIAN.JOURNAL.
select schema_name, table_name from hadrian.journal where feed = :feed with ur
