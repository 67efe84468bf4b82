-- What the checkpoints of each run take: the chunks that they hold, each once, and those that these are differences from.
-- Parameters: run text, or NULL for every run.
-- Columns: run text; stored_bytes bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.checkpoint, hadrian.artifact_chunk and hadrian.chunk.
with recursive needed (run, sha256, base, bytes) as (
  select k.run, c.sha256, c.base, octet_length(c.body)
  from hadrian.checkpoint as k
  join hadrian.artifact_chunk as held on held.artifact_id = k.artifact_id
  join hadrian.chunk as c on c.sha256 = held.sha256
  where cast(:run as text) is null or k.run = :run
  union
  select n.run, c.sha256, c.base, octet_length(c.body)
  from needed as n
  join hadrian.chunk as c on c.sha256 = n.base
)
select run, sum(bytes)::bigint as stored_bytes
from needed
group by run
order by run
