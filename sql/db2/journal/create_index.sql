-- Finds a batch's entries in their order, and those that have no batch.
-- Parameters: none are bound; {index} and {journal}, names, are put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: control or index on the journal.
create index {index} on {journal} ("_batch", "_seq")
