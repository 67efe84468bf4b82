-- Ends a journal.
-- Parameters: none are bound; {journal}, its name, is put in.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: owner of the journal.
drop table if exists {journal}
