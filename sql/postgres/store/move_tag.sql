-- Gives a checkpoint a tag, if the checkpoint is there, and takes it from the one that had it.
-- Parameters: run text; step integer; tag text.
-- Columns: none; no row was written if there is no such checkpoint.
-- Since: PostgreSQL 10. Privilege: insert and update on hadrian.checkpoint_tag, select and update on hadrian.checkpoint.
insert into hadrian.checkpoint_tag (run, tag, step)
select run, cast(:tag as text), step
from hadrian.checkpoint
where run = :run and step = :step
for key share
on conflict (run, tag) do update
set step = excluded.step, created_at = clock_timestamp()
