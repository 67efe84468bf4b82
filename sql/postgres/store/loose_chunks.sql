-- How much there is that nothing holds.
-- Parameters: grace_s double precision, seconds.
-- Columns: chunks bigint and stored_bytes bigint, whose grace is over; fresh_chunks bigint and fresh_bytes bigint, whose is not.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.loose_chunk.
select
  count(*) filter (where old) as chunks, coalesce(sum(stored_bytes) filter (where old), 0)::bigint as stored_bytes,
  count(*) filter (where not old) as fresh_chunks,
  coalesce(sum(stored_bytes) filter (where not old), 0)::bigint as fresh_bytes
from (select stored_bytes, created_at < now() - make_interval(secs => :grace_s) as old from hadrian.loose_chunk) as loose
