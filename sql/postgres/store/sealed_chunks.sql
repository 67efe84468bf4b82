-- How much of the store is sealed with which key.
-- Parameters: none.
-- Columns: id text, NULL for what is not sealed; chunks bigint; stored_bytes bigint.
-- Since: PostgreSQL 10. Privilege: select on hadrian.chunk.
select key_id as id, count(*) as chunks, sum(octet_length(body)) as stored_bytes
from hadrian.chunk
group by key_id
