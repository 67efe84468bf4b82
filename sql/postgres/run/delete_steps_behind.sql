-- Deletes what a run's step journal has behind a step.
-- Parameters: run text; step integer.
-- Columns: none; the number of rows is that of the steps.
-- Since: PostgreSQL 10. Privilege: delete on hadrian.step, select on its columns run and step.
delete from hadrian.step
where run = :run and step > :step
