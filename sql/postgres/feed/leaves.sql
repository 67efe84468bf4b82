-- The tables that hold a published table's rows: itself, or its partitions down to the last.
-- Parameters: schema text; name text.
-- Columns: schema text; name text; filenode bigint, which changes when the table is rewritten; blocks bigint.
-- Since: PostgreSQL 12. Privilege: none.
with root as (
  select c.oid
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = cast(:schema as name) and c.relname = cast(:name as name)
)
select
  n.nspname::text as schema,
  c.relname::text as name,
  pg_relation_filenode(c.oid)::bigint as filenode,
  pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks
from root
cross join lateral (
  select root.oid as oid union select t.relid from pg_partition_tree(root.oid) as t where t.isleaf
) as leaf
join pg_class as c on c.oid = leaf.oid and c.relkind = 'r'
join pg_namespace as n on n.oid = c.relnamespace
order by 1, 2
