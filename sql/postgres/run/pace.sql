-- How fast a run's newest 1000 steps followed one another, and what they took of the log.
-- Parameters: run text.
-- Columns: steps bigint, between how many that was measured; pace_s double precision, the median of seconds from one to
--   the next; step_s double precision, of the quickest tenth the longest; row_bytes double precision, what a step takes
--   in the journal; log_bytes double precision, log between a step's cursors, NULL if the feed does not read the log.
--   But for the first, NULL if there is none.
-- Since: PostgreSQL 10. Privilege: select on hadrian.step, hadrian.run, hadrian.feed.
with newest as (
  select
    s.step, s.recorded_at, s.before_lsn, s.after_lsn, pg_column_size(s) as row_bytes, f.source = 'wal' as is_log
  from hadrian.step as s
  join hadrian.run as r on r.name = s.run
  left join hadrian.feed as f on f.name = r.feed
  where s.run = :run
  order by s.step desc
  limit 1000
), paced as (
  select
    cast(extract(epoch from recorded_at - lag(recorded_at) over (order by step)) as double precision) as seconds,
    row_bytes,
    case when is_log and before_lsn > '0/0' then cast(after_lsn - before_lsn as double precision) end as log_bytes
  from newest
)
select
  count(seconds) as steps,
  percentile_cont(0.5) within group (order by seconds) as pace_s,
  percentile_cont(0.1) within group (order by seconds) as step_s,
  cast(avg(row_bytes) as double precision) as row_bytes,
  avg(log_bytes) as log_bytes
from paced
