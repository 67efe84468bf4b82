-- The tables of a publication: what each publishes, and whether its rows can be told apart.
-- Parameters: publication text.
-- Columns: schema text; name text; columns text[]; key text[], of the primary key; row_filter text, or NULL;
--   identity "char", as pg_class.relreplident; toastable boolean, whether a published column may be stored out of line.
-- Since: PostgreSQL 15. Privilege: none.
select
  p.schemaname::text as schema,
  p.tablename::text as name,
  p.attnames::text[] as columns,
  coalesce((
    select array_agg(a.attname::text order by k.position)
    from pg_index as i
    cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
    join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = c.oid and i.indisprimary
  ), '{}') as key,
  p.rowfilter as row_filter,
  c.relreplident as identity,
  exists (
    select from pg_attribute as a
    where a.attrelid = c.oid and a.attname = any (p.attnames) and a.attlen = -1 and a.attstorage in ('x', 'e', 'm')
  ) as toastable
from pg_publication_tables as p
join pg_namespace as n on n.nspname = p.schemaname
join pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
where p.pubname = :publication
order by 1, 2
