-- Deletes chunks that are locked, but for those that somebody came to hold just before they were.
-- Parameters: digests bytea[], the chunks' SHA-256.
-- Columns: plain_bytes integer; stored_bytes integer; a row for each that was deleted.
-- Since: PostgreSQL 9.4. Privilege: delete on hadrian.chunk, select on hadrian.chunk and hadrian.loose_chunk.
delete from hadrian.chunk as c
using hadrian.loose_chunk as loose
where c.sha256 = loose.sha256 and loose.sha256 = any (cast(:digests as bytea[]))
returning loose.plain_bytes, loose.stored_bytes
