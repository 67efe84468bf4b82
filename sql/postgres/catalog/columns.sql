-- The columns of the node's tables.
-- Parameters: none.
-- Columns: relation text, quoted and qualified; name text; type text; generated text, as pg_attribute.attgenerated;
-- required boolean, whether it refuses NULL; filled boolean, whether it has a value where none is given.
-- Since: PostgreSQL 12. Privilege: none.
select
  format('%I.%I', namespace.nspname, class.relname) as relation,
  attname::text as name,
  format_type(atttypid, atttypmod) as type,
  attgenerated::text as generated,
  attnotnull as required,
  atthasdef or attidentity <> '' as filled
from pg_class class
join pg_namespace namespace on namespace.oid = class.relnamespace
join pg_attribute on attrelid = class.oid and attnum > 0 and not attisdropped
where class.relkind in ('r', 'p')
  and namespace.nspname not in ('pg_catalog', 'information_schema')
  and namespace.nspname not like 'pg\_toast%'
order by relation, attnum
