-- What all chunks take, whether anything holds them or not.
-- Parameters: none.
-- Columns: stored_bytes bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHUNK.
select coalesce(sum(cast(stored_bytes as bigint)), 0) as stored_bytes from hadrian.chunk
