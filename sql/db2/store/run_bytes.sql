-- What the checkpoints of each run take: the chunks that they hold, each once. Those that these are differences from are held by an
-- older one, since no checkpoint is removed here.
-- Parameters: run varchar, or NULL for every run.
-- Columns: run varchar; stored_bytes bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHECKPOINT, HADRIAN.ARTIFACT_CHUNK and HADRIAN.CHUNK.
select held.run as "run", sum(cast(c.stored_bytes as bigint)) as stored_bytes
from (
  select distinct k.run as run, h.sha256 as sha256
  from hadrian.checkpoint as k
  join hadrian.artifact_chunk as h on h.artifact_id = k.artifact_id
  where k.run = coalesce(cast(:run as varchar(200)), k.run)
) as held
join hadrian.chunk as c on c.sha256 = held.sha256
group by held.run
order by held.run
