-- Keeps a run's checkpoints from being tagged, moved on or removed by others until the transaction ends; new ones may come.
-- Parameters: run text.
-- Columns: step integer.
-- Since: PostgreSQL 10. Privilege: select and update on hadrian.checkpoint.
select step
from hadrian.checkpoint
where run = :run
order by step
for update
