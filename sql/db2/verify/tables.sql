-- The tables of the database, and whether a standby shows their rows.
-- Parameters: none.
-- Columns: schema_name varchar; name varchar; shown integer, 0 for a column-organized table; row_count bigint, the
--   optimizer's count, 0 where nobody has counted; row_bytes integer, on average, 0 where that is not known.
-- Since: Db2 10.5. Privilege: select on SYSCAT.TABLES (PUBLIC has it, unless the database is restrictive).
select
  rtrim(t.tabschema) as schema_name,
  t.tabname as name,
  case when t.tableorg = 'C' then 0 else 1 end as shown,
  case when t.card > 0 then t.card else 0 end as row_count,
  case when t.avgrowsize > 0 then t.avgrowsize else 0 end as row_bytes
from syscat.tables t
where t.type in ('S', 'T') and t.tabschema not like 'SYS%'
order by t.tabschema, t.tabname
with ur
