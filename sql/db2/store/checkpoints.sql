-- A run's checkpoints, newest first. A standby shows those too whose transaction is not committed yet.
-- Parameters: run varchar, or NULL for every run.
-- Columns: run varchar; step integer; artifact_id bigint; timeline integer; lsn bigint; seq bigint; passed_lsn bigint and
-- passed_timeline integer, up to where the journal holds nothing for the feed behind them, or NULL; committed_lsn bigint,
-- behind its commit, or NULL; plain_bytes bigint;
-- chunks integer; created_at timestamp.
-- (SQLAlchemy's dialect gives a reserved word, as RUN is to it, in upper case unless it is quoted.)
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHECKPOINT, HADRIAN.ARTIFACT and HADRIAN.ARTIFACT_CHUNK.
select
  c.run as "run",
  c.step as step,
  c.artifact_id as artifact_id,
  c.timeline as timeline,
  c.cursor_lsn as lsn,
  c.cursor_seq as seq,
  c.passed_lsn as passed_lsn,
  c.passed_timeline as passed_timeline,
  c.committed_lsn as committed_lsn,
  a.plain_bytes as plain_bytes,
  (select count(*) from hadrian.artifact_chunk as held where held.artifact_id = a.id) as chunks,
  a.created_at as created_at
from hadrian.checkpoint as c
join hadrian.artifact as a on a.id = c.artifact_id
where c.run = coalesce(cast(:run as varchar(200)), c.run)
order by c.run, c.step desc
with ur
