-- How much of the store is sealed with which key.
-- Parameters: none.
-- Columns: id varchar, NULL for what is not sealed; chunks integer; stored_bytes bigint.
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHUNK.
select key_id as id, count(*) as chunks, sum(cast(stored_bytes as bigint)) as stored_bytes
from hadrian.chunk
group by key_id
with ur
