-- Notes a position behind the commit of a checkpoint, unless one is noted.
-- Parameters: run varchar; step integer; lsn bigint.
-- Columns: none.
-- Since: Db2 10.5. Privilege: update and select on HADRIAN.CHECKPOINT.
update hadrian.checkpoint
set committed_lsn = :lsn
where run = :run and step = :step and committed_lsn is null
