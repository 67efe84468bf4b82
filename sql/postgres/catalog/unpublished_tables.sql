-- Logged tables that none of the publications holds, an extension's own left out. A partition is published with its root.
-- Parameters: publications text[].
-- Columns: subject text, as the rules name it; object text, quoted and qualified; size bigint, bytes with indexes and
-- TOAST, unless somebody has locked it exclusively; rows bigint, the planner's estimate; command text, mends it.
-- Since: PostgreSQL 12. Privilege: none.
with listed as (
  select class.oid
  from pg_publication_tables
  join pg_namespace namespace on namespace.nspname = pg_publication_tables.schemaname
  join pg_class class on class.relnamespace = namespace.oid and class.relname = pg_publication_tables.tablename
  where pg_publication_tables.pubname = any (cast(:publications as text[]))
),
held as (
  select oid from listed
  union
  select part.relid from listed cross join lateral pg_partition_tree(listed.oid) part
)
select
  'UNPUBLISHED_TABLE' as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  case
    when class.oid not in (
      select relation from pg_locks where relation is not null and mode = 'AccessExclusiveLock' and granted
    ) then pg_total_relation_size(class.oid)
  end as size,
  case when class.reltuples >= 0 then class.reltuples::bigint end as rows,
  format(
    'alter publication %I add table %I.%I;',
    coalesce(
      (
        select pubname
        from pg_publication
        where not puballtables and pubname = any (cast(:publications as text[]))
        order by pubname
        limit 1
      ),
      'name_of_publication'
    ),
    namespace.nspname, class.relname
  ) as command
from pg_class class
join pg_namespace namespace on namespace.oid = class.relnamespace
where class.relkind = 'r'
  and class.relpersistence = 'p'
  and namespace.nspname not in ('pg_catalog', 'information_schema')
  and namespace.nspname not like 'pg\_toast%'
  and class.oid not in (select oid from held)
  and not exists (
    select
    from pg_depend
    where pg_depend.classid = 'pg_class'::regclass and pg_depend.objid = class.oid and pg_depend.deptype = 'e'
  )
order by object
