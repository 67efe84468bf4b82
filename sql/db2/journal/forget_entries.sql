-- Deletes the entries that the snapshot holds already: all, while nobody may write to the table.
-- Parameters: none are bound; {journal}, its name, is put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: delete on the journal.
delete from {journal}
