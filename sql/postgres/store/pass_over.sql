-- Notes up to where the log holds nothing for the feed behind a checkpoint's cursor.
-- Parameters: run text; step integer; lsn text; timeline integer.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: update on hadrian.checkpoint, select on its columns run and step.
update hadrian.checkpoint
set passed_lsn = cast(:lsn as pg_lsn), passed_timeline = :timeline
where run = :run and step = :step
