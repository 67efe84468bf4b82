-- A published table and its partitions down to the last, as the snapshot shows them.
-- Parameters: schema text; name text.
-- Columns: oid bigint; schema text; name text; has_rows boolean, itself; filenode bigint, which changes when the table
--   is rewritten or truncated; blocks bigint, that there are by now.
-- Since: PostgreSQL 10. Privilege: none.
with recursive tree as (
  select c.oid, c.relkind
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = cast(:schema as name) and c.relname = cast(:name as name)
  union all
  select c.oid, c.relkind
  from tree
  join pg_inherits as i on i.inhparent = tree.oid and tree.relkind = 'p'
  join pg_class as c on c.oid = i.inhrelid
)
select
  c.oid::bigint as oid,
  n.nspname::text as schema,
  c.relname::text as name,
  c.relkind = 'r' as has_rows,
  c.relfilenode::bigint as filenode,
  coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint as blocks
from tree
join pg_class as c on c.oid = tree.oid
join pg_namespace as n on n.oid = c.relnamespace
order by 2, 3
