-- Which of these chunks the store holds, and how many must be read before each.
-- Parameters: digests bytea[], the chunks' SHA-256.
-- Columns: sha256 bytea; depth smallint.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.chunk.
select sha256, depth
from hadrian.chunk
where sha256 = any (cast(:digests as bytea[]))
