-- Begins the grace anew for those of some chunks that nothing holds, for a writer who is going to hold them.
-- Parameters: digests bytea[], the chunks' SHA-256.
-- Columns: sha256 bytea, of each of those.
-- Since: PostgreSQL 9.4. Privilege: select and update on hadrian.chunk, select on hadrian.artifact_chunk.
update hadrian.chunk as c
set created_at = now()
from (
  select chunk.sha256
  from hadrian.chunk
  where chunk.sha256 = any (cast(:digests as bytea[]))
    and not exists (select from hadrian.artifact_chunk as held where held.sha256 = chunk.sha256)
  order by chunk.sha256
  for no key update of chunk
) as locked
where c.sha256 = locked.sha256
returning c.sha256
