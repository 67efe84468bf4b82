-- Deletes a run; its steps and checkpoints are deleted before it, in the same transaction.
-- Parameters: run text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.run, select on its column name.
delete from hadrian.run
where name = :run
