-- The runs that read a feed, each with its newest checkpoint.
-- Parameters: feed text.
-- Columns: run text; step integer, lsn text, seq bigint and timeline integer, of the checkpoint, and needs_from text, the
--   position from which on its run needs the log; NULL if there is none.
-- Since: PostgreSQL 10. Privilege: select on hadrian.run, hadrian.checkpoint.
select
  run.name as run,
  newest.step,
  newest.cursor_lsn::text as lsn,
  newest.cursor_seq as seq,
  newest.timeline,
  greatest(newest.passed_lsn, newest.cursor_lsn)::text as needs_from
from hadrian.run
left join lateral (
  select step, cursor_lsn, cursor_seq, timeline, passed_lsn
  from hadrian.checkpoint
  where checkpoint.run = run.name
  order by step desc
  limit 1
) as newest on true
where run.feed = :feed
order by run.name
