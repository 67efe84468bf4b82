-- What each of a run's newest 21 checkpoints added to the store, and how long after its step it was there.
-- Parameters: run text.
-- Columns: step integer; own_bytes bigint, what those of its chunks take that none of these before it holds;
--   took_s double precision, NULL if the journal does not have its step. Newest first.
-- Since: PostgreSQL 10. Privilege: select on hadrian.checkpoint, hadrian.artifact, hadrian.artifact_chunk,
--   hadrian.chunk, hadrian.step.
with newest as (
  select step, artifact_id
  from hadrian.checkpoint
  where run = :run
  order by step desc
  limit 21
), first_held as (
  select held.sha256, min(n.step) as step
  from newest as n
  join hadrian.artifact_chunk as held on held.artifact_id = n.artifact_id
  group by held.sha256
), own as (
  select f.step, sum(octet_length(c.body)) as bytes
  from first_held as f
  join hadrian.chunk as c on c.sha256 = f.sha256
  group by f.step
)
select
  n.step, cast(coalesce(own.bytes, 0) as bigint) as own_bytes,
  cast(extract(epoch from a.created_at - s.recorded_at) as double precision) as took_s
from newest as n
join hadrian.artifact as a on a.id = n.artifact_id
left join own on own.step = n.step
left join hadrian.step as s on s.run = :run and s.step = n.step
order by n.step desc
