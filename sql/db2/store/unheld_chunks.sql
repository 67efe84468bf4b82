-- Those of some chunks that no artifact holds.
-- Parameters: digests, the chunks' SHA-256, an expanding list.
-- Columns: sha256.
-- Since: Db2 9.7. Privilege: select on hadrian.chunk and hadrian.artifact_chunk.
select sha256
from hadrian.chunk
where sha256 in :digests
  and not exists (select 1 from hadrian.artifact_chunk as held where held.sha256 = hadrian.chunk.sha256)
