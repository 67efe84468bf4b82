-- What an artifact's chunks take, and what of it another artifact holds too.
-- Parameters: artifact_id bigint; before_id bigint, the other, or NULL.
-- Columns: chunks bigint; stored_bytes bigint; differences bigint, chunks that are stored as one; shared_chunks bigint;
--   shared_bytes bigint.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.chunk, hadrian.artifact_chunk.
select
  count(*) as chunks, coalesce(sum(octet_length(c.body)), 0)::bigint as stored_bytes,
  count(c.base) as differences, count(before.sha256) as shared_chunks,
  coalesce(sum(octet_length(c.body)) filter (where before.sha256 is not null), 0)::bigint as shared_bytes
from hadrian.artifact_chunk as held
join hadrian.chunk as c on c.sha256 = held.sha256
left join hadrian.artifact_chunk as before on before.artifact_id = :before_id and before.sha256 = held.sha256
where held.artifact_id = :artifact_id
