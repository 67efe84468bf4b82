-- What some artifacts hold and no other does.
-- Parameters: artifact_ids bigint[].
-- Columns: chunks bigint; stored_bytes bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.chunk, hadrian.artifact_chunk.
select count(*) as chunks, coalesce(sum(octet_length(c.body)), 0)::bigint as stored_bytes
from hadrian.chunk as c
where c.sha256 in (select mine.sha256 from hadrian.artifact_chunk as mine where mine.artifact_id = any (:artifact_ids))
  and not exists (
    select
    from hadrian.artifact_chunk as other
    where other.sha256 = c.sha256 and other.artifact_id <> all (:artifact_ids)
  )
