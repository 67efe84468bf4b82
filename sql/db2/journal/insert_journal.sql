-- Makes a feed's journal known; in one transaction with the feed's record.
-- Parameters: feed varchar; schema varchar; name varchar, of the table; start bigint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: insert on HADRIAN.JOURNAL.
insert into hadrian.journal (feed, schema_name, table_name, confirmed) values (:feed, :schema, :name, :start)
