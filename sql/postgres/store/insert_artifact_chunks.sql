-- Records which chunks an artifact holds; fails if one of them is not there.
-- Parameters: artifact_id bigint; digests bytea[], without repetition.
-- Columns: none.
-- Since: PostgreSQL 9.4. Privilege: insert on hadrian.artifact_chunk.
insert into hadrian.artifact_chunk (artifact_id, sha256)
select :artifact_id, held.sha256
from unnest(cast(:digests as bytea[])) as held (sha256)
