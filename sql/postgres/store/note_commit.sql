-- Notes a position behind the commit of a checkpoint, unless one is noted.
-- Parameters: run text; step integer; lsn text.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: update on hadrian.checkpoint's column committed_lsn, select on that and on run and step.
update hadrian.checkpoint
set committed_lsn = cast(:lsn as pg_lsn)
where run = :run and step = :step and committed_lsn is null
