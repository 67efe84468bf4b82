-- Finds a batch's entries in their order, and those that have no batch.
-- Parameters: none are bound; {journal}, its name, is put in.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: owner of the journal.
create index on {journal} (_batch, _seq)
