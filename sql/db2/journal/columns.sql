-- A table's columns, and their place in its primary key.
-- Parameters: schema varchar; name varchar.
-- Columns: name varchar; kind varchar; length integer, bytes, of DECIMAL digits; scale integer; codepage integer, 0 of bit data;
-- place integer in the primary key, from 1, 0 or NULL outside of it.
-- Since: Db2 10.5. Privilege: select on SYSCAT.COLUMNS (PUBLIC has it, unless the database is restrictive).
select
  rtrim(c.colname) as name,
  rtrim(c.typename) as kind,
  c.length as length,
  c.scale as scale,
  c.codepage as codepage,
  c.keyseq as place
from syscat.columns c
where c.tabschema = :schema and c.tabname = :name
order by c.colno
with ur
