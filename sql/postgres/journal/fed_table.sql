-- The table that a feed's journal is of.
-- Parameters: feed text.
-- Columns: schema_name text; table_name text.
-- Since: PostgreSQL 10. Privilege: select on hadrian.journal.
select schema_name, table_name from hadrian.journal where feed = :feed
