-- The columns of each table as it is published.
-- Parameters: publications text[].
-- Columns: relation text, quoted and qualified; name text; type text; generated text, as pg_attribute.attgenerated;
-- required boolean, whether it refuses NULL; sent boolean, whether a publication sends it.
-- Since: PostgreSQL 15. Privilege: none.
select
  format('%I.%I', listed.schemaname, listed.tablename) as relation,
  attname::text as name,
  format_type(atttypid, atttypmod) as type,
  attgenerated::text as generated,
  attnotnull as required,
  bool_or(attname = any (listed.attnames)) as sent
from pg_publication_tables listed
join pg_namespace namespace on namespace.nspname = listed.schemaname
join pg_class class on class.relnamespace = namespace.oid and class.relname = listed.tablename
join pg_attribute on attrelid = class.oid and attnum > 0 and not attisdropped
where listed.pubname = any (cast(:publications as text[]))
  and class.relpersistence = 'p' -- an unlogged partition is listed, and its rows are not sent
group by listed.schemaname, listed.tablename, attname, atttypid, atttypmod, attgenerated, attnotnull, attnum
order by relation, attnum
