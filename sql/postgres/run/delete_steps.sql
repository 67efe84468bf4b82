-- Deletes a run's step journal.
-- Parameters: run text.
-- Columns: none; the number of rows is that of the steps.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.step, select on its column run.
delete from hadrian.step
where run = :run
