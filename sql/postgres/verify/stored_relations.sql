-- What has rows in this database: tables, partitions, materialized views, and with them their TOAST tables.
-- Parameters: none.
-- Columns: oid bigint; name text, qualified and quoted; plain text, the same unquoted; over text[], the partitioned tables
--   that it is a part of; catalog boolean, whether it is the server's own; unlogged boolean; populated boolean; method text,
--   the table access method; filenode bigint, which changes when the table is rewritten or truncated; blocks bigint;
--   heap bigint, their bytes; size bigint, with TOAST; toast text, the TOAST table; toast_oid bigint;
--   toast_filenode bigint; toast_blocks bigint; toast_size bigint, all NULL where there is none; permitted boolean, whether
--   the role may read it; version integer, of the server, as it counts them.
-- Since: PostgreSQL 14. Privilege: none.
select
  c.oid::bigint as oid,
  format('%I.%I', n.nspname, c.relname) as name,
  format('%s.%s', n.nspname, c.relname) as plain,
  array(
    select format('%s.%s', above.nspname, over.relname)
    from pg_partition_ancestors(c.oid) as ancestor
    join pg_class as over on over.oid = ancestor.relid and over.oid <> c.oid
    join pg_namespace as above on above.oid = over.relnamespace
  ) as over,
  n.nspname in ('pg_catalog', 'information_schema') as catalog,
  c.relpersistence = 'u' as unlogged,
  c.relispopulated as populated,
  coalesce(am.amname::text, '') as method,
  pg_relation_filenode(c.oid)::bigint as filenode,
  pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks,
  pg_relation_size(c.oid) as heap,
  pg_table_size(c.oid) as size,
  t.oid::regclass::text as toast,
  t.oid::bigint as toast_oid,
  pg_relation_filenode(t.oid)::bigint as toast_filenode,
  pg_relation_size(t.oid) / current_setting('block_size')::bigint as toast_blocks,
  pg_relation_size(t.oid) as toast_size,
  has_table_privilege(c.oid, 'select') as permitted,
  current_setting('server_version_num')::int as version
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
left join pg_am as am on am.oid = c.relam
left join pg_class as t on t.oid = c.reltoastrelid
where c.relkind in ('r', 'm') and c.relpersistence <> 't' and pg_relation_filenode(c.oid) is not null
order by 2
