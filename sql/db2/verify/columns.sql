-- The columns of a table, and whether a standby returns every value of theirs.
-- Parameters: schema varchar; name varchar.
-- Columns: name varchar; kind varchar; place integer in the primary key, from 1, 0 or NULL outside of it; shown integer: a
--   standby returns no LONG value, and a LOB or XML value only where it lies in its row. A LOB takes up to 4 bytes more
--   there than its value has; an XML column has no greatest length. fine integer, 1 where it holds more digits of a
--   second than the driver returns.
-- Since: Db2 10.5. Privilege: select on SYSCAT.COLUMNS (PUBLIC has it, unless the database is restrictive).
select
  c.colname as name,
  rtrim(c.typename) as kind,
  c.keyseq as place,
  case
    when c.typename in ('LONG VARCHAR', 'LONG VARGRAPHIC', 'XML') then 0
    when c.typename in ('BLOB', 'CLOB', 'DBCLOB') and c.inline_length < c.length + 4 then 0
    else 1
  end as shown,
  case when c.typename = 'TIMESTAMP' and c.scale > 6 then 1 else 0 end as fine
from syscat.columns c
where c.tabschema = :schema and c.tabname = :name
order by c.colno
with ur
