-- Columns that cannot be queried on a standby: LONG types, and LOB or XML values outside their row. A LOB takes up to 4
-- bytes more in the row than its value has; an XML column has no greatest length, so some of its values may lie outside.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, qualified; detail varchar, the type and how much of it
-- lies in the row.
-- Since: Db2 10.5. Privilege: select on SYSCAT.COLUMNS and SYSCAT.TABLES (PUBLIC has it, unless the database is
-- restrictive).
select
  'READ_DATA_TYPE' as subject,
  rtrim(c.tabschema) || '.' || c.tabname || '.' || c.colname as object,
  case
    when c.typename like 'LONG %' then c.typename
    when c.inline_length = 0 then c.typename || ' outside the row'
    else c.typename || ' of which only ' || rtrim(cast(c.inline_length as char(11))) || ' bytes are in the row'
  end as detail
from syscat.columns c
join syscat.tables t on t.tabschema = c.tabschema and t.tabname = c.tabname
where (
    c.typename in ('LONG VARCHAR', 'LONG VARGRAPHIC', 'XML')
    or (c.typename in ('BLOB', 'CLOB', 'DBCLOB') and c.inline_length < c.length + 4)
  )
  and t.type in ('S', 'T')
  and c.tabschema not like 'SYS%'
order by c.tabschema, c.tabname, c.colname
with ur
