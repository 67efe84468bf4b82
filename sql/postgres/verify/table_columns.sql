-- The columns of tables, and how each can be read so that two servers of their own give the same for the same value.
-- Parameters: schemas text[]; names text[], as many.
-- Columns: object text, quoted and qualified; partitioned boolean, the table; name text; type text; plain boolean, whether
--   every server sends the type's values as the same bytes; generated boolean.
-- Since: PostgreSQL 12. Privilege: none.
select
  format('%I.%I', asked.schema, asked.name) as object,
  class.relkind = 'p' as partitioned,
  attname::text as name,
  format_type(atttypid, atttypmod) as type,
  -- Types that a server was born with have the same number everywhere. Those that refer to objects send their numbers.
  type.oid < 10000 and type.typsend <> 0 and type.typtype = 'b' and type.typname !~ '^_?reg' as plain,
  attgenerated <> '' as generated
from unnest(cast(:schemas as text[]), cast(:names as text[])) as asked (schema, name)
join pg_namespace namespace on namespace.nspname = asked.schema
join pg_class class on class.relnamespace = namespace.oid and class.relname = asked.name and class.relkind in ('r', 'p')
join pg_attribute on attrelid = class.oid and attnum > 0 and not attisdropped
join pg_type type on type.oid = atttypid
order by object, attnum
