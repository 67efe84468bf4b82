-- Large objects of the database, all in one row.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; size bigint, bytes; rows bigint, how many they are.
-- Since: PostgreSQL 10. Privilege: none.
select
  'LARGE_OBJECT' as subject,
  case count(*) when 1 then 'one large object' else count(*) || ' large objects' end as object,
  pg_total_relation_size('pg_largeobject') as size,
  count(*) as rows
from pg_largeobject_metadata
having count(*) > 0
