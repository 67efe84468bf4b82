-- A run's checkpoints, newest first.
-- Parameters: run text, or NULL for every run.
-- Columns: run text; step integer; artifact_id bigint; timeline integer; lsn text; seq bigint; passed_lsn text
--   and passed_timeline integer, up to where the log holds nothing for the feed behind them, or NULL;
--   committed_lsn text, a position behind its commit, or NULL;
--   plain_bytes bigint; chunks bigint; created_at timestamptz.
-- Since: PostgreSQL 10. Privilege: select on hadrian.checkpoint, hadrian.artifact, hadrian.artifact_chunk.
select
  c.run, c.step, c.artifact_id, c.timeline, c.cursor_lsn::text as lsn, c.cursor_seq as seq,
  c.passed_lsn::text as passed_lsn, c.passed_timeline, c.committed_lsn::text as committed_lsn, a.plain_bytes,
  (select count(*) from hadrian.artifact_chunk as held where held.artifact_id = a.id) as chunks,
  a.created_at
from hadrian.checkpoint as c
join hadrian.artifact as a on a.id = c.artifact_id
where c.run = coalesce(cast(:run as text), c.run)
order by c.run, c.step desc
