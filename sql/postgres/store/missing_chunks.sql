-- Which of these chunks the store does not hold yet.
-- Parameters: digests bytea[], the chunks' SHA-256.
-- Columns: sha256 bytea.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.chunk.
select wanted.sha256
from unnest(cast(:digests as bytea[])) as wanted (sha256)
where not exists (select from hadrian.chunk where chunk.sha256 = wanted.sha256)
