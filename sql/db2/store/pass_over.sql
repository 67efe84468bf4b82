-- Notes up to where the journal holds nothing for the feed behind a checkpoint's cursor.
-- Parameters: run varchar; step integer; lsn bigint; timeline integer.
-- Columns: none.
-- Since: Db2 10.5. Privilege: update on HADRIAN.CHECKPOINT, select on its columns RUN and STEP.
update hadrian.checkpoint
set passed_lsn = :lsn, passed_timeline = :timeline
where run = :run and step = :step
