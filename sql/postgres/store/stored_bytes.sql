-- What all chunks take, whether anything holds them or not.
-- Parameters: none.
-- Columns: stored_bytes bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.chunk.
select coalesce(sum(octet_length(body)), 0)::bigint as stored_bytes from hadrian.chunk
