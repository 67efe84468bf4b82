-- Makes a feed's journal known; in one transaction with the feed's record.
-- Parameters: feed text; schema text; name text, of the table; start bigint.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.journal.
insert into hadrian.journal (feed, schema_name, table_name, confirmed) values (:feed, :schema, :name, :start)
