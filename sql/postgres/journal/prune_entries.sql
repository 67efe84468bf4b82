-- Deletes the entries of batches that are consumed for good.
-- Parameters: feed text; {journal}, its name, is put in.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on the journal, select on hadrian.journal.
delete from {journal} where _batch <= (select confirmed from hadrian.journal where feed = :feed)
