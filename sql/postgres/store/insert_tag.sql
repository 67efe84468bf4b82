-- Gives a checkpoint a tag, if the checkpoint is there.
-- Parameters: run text; step integer; tag text.
-- Columns: none; no row was inserted if there is no such checkpoint.
-- Since: PostgreSQL 10. Privilege: insert on hadrian.checkpoint_tag, select and update on hadrian.checkpoint.
insert into hadrian.checkpoint_tag (run, tag, step)
select run, cast(:tag as text), step
from hadrian.checkpoint
where run = :run and step = :step
for key share
