-- Deletes the entries that the snapshot holds already: all that its own transaction sees.
-- Parameters: none are bound; {journal}, its name, is put in.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on the journal.
delete from {journal}
