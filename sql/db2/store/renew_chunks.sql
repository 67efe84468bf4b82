-- Begins the grace anew for those of some chunks that nothing holds, for a writer who is going to hold them.
-- Parameters: digests, the chunks' SHA-256, an expanding list.
-- Columns: none.
-- Since: Db2 9.7. Privilege: select and update on hadrian.chunk, select on hadrian.artifact_chunk.
update hadrian.chunk
set created_at = current timestamp
where sha256 in :digests
  and not exists (select 1 from hadrian.artifact_chunk as held where held.sha256 = hadrian.chunk.sha256)
