-- Feeds whose snapshot is not finished: it is being taken, or was cut off.
-- Parameters: none.
-- Columns: feed text; start_lsn text, from there on its slot keeps the log; parts bigint, of its rows that are kept.
-- Since: PostgreSQL 10. Privilege: select on hadrian.snapshot, hadrian.snapshot_part.
select
  snapshot.feed,
  snapshot.start_lsn::text as start_lsn,
  (select count(*) from hadrian.snapshot_part as part where part.feed = snapshot.feed) as parts
from hadrian.snapshot
order by snapshot.feed
