-- LOB columns whose values are not in the log, unless they fit in the row. Columns of a view or a nickname hold nothing
-- themselves, and those of the system's own tables are its own affair.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, qualified; row_count bigint, the optimizer's count, NULL
-- where nobody has counted.
-- Since: Db2 10.5. Privilege: select on SYSCAT.COLUMNS and SYSCAT.TABLES (PUBLIC has it, unless the database is
-- restrictive).
select
  'NOT_LOGGED_LOB' as subject,
  rtrim(c.tabschema) || '.' || c.tabname || '.' || c.colname as object,
  nullif(t.card, -1) as row_count
from syscat.columns c
join syscat.tables t on t.tabschema = c.tabschema and t.tabname = c.tabname
where c.logged = 'N'
  and t.type in ('H', 'L', 'S', 'T', 'U')
  and c.tabschema not like 'SYS%'
order by c.tabschema, c.tabname, c.colname
with ur
