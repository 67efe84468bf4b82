-- Some columns of a table, in the table's order.
-- Parameters: schema text; name text; columns text[].
-- Columns: oid bigint, the table's; name text; type bigint, the type's OID; modifier integer, -1 where there is none;
--   printed text, the type's name.
-- Since: PostgreSQL 9.4. Privilege: none.
select
  a.attrelid::bigint as oid,
  a.attname::text as name,
  a.atttypid::bigint as type,
  a.atttypmod as modifier,
  format_type(a.atttypid, a.atttypmod) as printed
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid
where n.nspname = cast(:schema as name) and c.relname = cast(:name as name) and a.attname = any (cast(:columns as name[]))
order by a.attnum
