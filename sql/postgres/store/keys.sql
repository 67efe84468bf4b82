-- The keys that are known, and whether a chunk is sealed with them still.
-- Parameters: none.
-- Columns: id text; in_use boolean.
-- Since: PostgreSQL 10. Privilege: select on hadrian.chunk_key and hadrian.chunk.
select k.id, exists (select from hadrian.chunk as c where c.key_id = k.id) as in_use
from hadrian.chunk_key as k
order by k.created_at, k.id
