-- The bodies of some chunks.
-- Parameters: digests bytea[], the chunks' SHA-256.
-- Columns: sha256 bytea; plain_bytes integer; body bytea, compressed.
-- Since: PostgreSQL 9.4. Privilege: select on hadrian.chunk.
select sha256, plain_bytes, body
from hadrian.chunk
where sha256 = any (cast(:digests as bytea[]))
