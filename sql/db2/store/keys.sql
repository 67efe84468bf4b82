-- The keys that are known, and whether a chunk is sealed with them still.
-- Parameters: none.
-- Columns: id varchar; in_use integer, 1 or 0.
-- Since: Db2 10.5. Privilege: select on HADRIAN.CHUNK_KEY and HADRIAN.CHUNK.
select
  k.id as id,
  case when exists (select 1 from hadrian.chunk as c where c.key_id = k.id) then 1 else 0 end as in_use
from hadrian.chunk_key as k
order by k.created_at, k.id
with ur
