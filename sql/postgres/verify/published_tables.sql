-- What publications send of each table, a row for each publication that has it.
-- Parameters: publications text[].
-- Columns: publication text; schema text; name text; object text, both quoted; columns text[], those that are sent;
--   row_filter text, or NULL; inserts, updates, deletes, truncates boolean, whether those are sent; rows bigint, the planner's
--   estimate; size bigint, bytes, with partitions and TOAST.
-- Since: PostgreSQL 15. Privilege: none.
select
  listed.pubname::text as publication,
  listed.schemaname::text as schema,
  listed.tablename::text as name,
  format('%I.%I', listed.schemaname, listed.tablename) as object,
  (
    select array_agg(attname::text order by attnum)
    from pg_attribute
    where attrelid = class.oid
      and attname = any (listed.attnames)
      and (attgenerated = '' or current_setting('server_version_num')::integer >= 180000) -- none were sent before
  ) as columns,
  listed.rowfilter as row_filter,
  pubinsert as inserts,
  pubupdate as updates,
  pubdelete as deletes,
  pubtruncate as truncates,
  parts.rows,
  parts.size
from pg_publication_tables listed
join pg_publication publication on publication.pubname = listed.pubname
join pg_namespace namespace on namespace.nspname = listed.schemaname
join pg_class class on class.relnamespace = namespace.oid and class.relname = listed.tablename
cross join lateral (
  select
    coalesce(sum(greatest(part.reltuples, 0)), 0)::bigint as rows,
    coalesce(sum(pg_table_size(part.oid)), 0)::bigint as size
  from pg_class part
  where part.relkind = 'r'
    and (part.oid = class.oid or part.oid in (select tree.relid from pg_partition_tree(class.oid) tree))
) as parts
where listed.pubname = any (cast(:publications as text[]))
  and class.relpersistence = 'p' -- an unlogged partition is listed, and its rows are not sent
order by object, publication
