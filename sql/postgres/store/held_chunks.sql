-- The chunks that an artifact holds.
-- Parameters: artifact_id bigint.
-- Columns: sha256 bytea.
-- Since: PostgreSQL 10. Privilege: select on hadrian.artifact_chunk.
select sha256
from hadrian.artifact_chunk
where artifact_id = :artifact_id
