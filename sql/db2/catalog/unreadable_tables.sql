-- Tables that reach the standby and cannot be queried there while it is one.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, qualified; row_count bigint, the optimizer's count, NULL
-- where nobody has counted.
-- Since: Db2 10.5. Privilege: select on SYSCAT.TABLES (PUBLIC has it, unless the database is restrictive).
select
  case when type = 'G' then 'CREATED_TEMPORARY' else 'COLUMN_ORGANIZED' end as subject,
  rtrim(tabschema) || '.' || tabname as object,
  nullif(card, -1) as row_count
from syscat.tables
where (type = 'G' or (type in ('S', 'T') and tableorg = 'C'))
  and tabschema not like 'SYS%'
order by tabschema, tabname
with ur
