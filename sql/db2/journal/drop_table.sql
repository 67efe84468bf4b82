-- Ends a journal.
-- Parameters: none are bound; {journal}, its name, is put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: owner of the journal.
drop table {journal}
