-- Collations whose indexes were built with another version of the node's library than the one it has now: the
-- database's own, and those that an index names.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; detail text; size bigint, bytes of the indexes; command
-- text, mends it.
-- Since: PostgreSQL 15. Privilege: none.
with indexed as (
  select distinct pg_index.indexrelid, pg_index.indrelid, used.used_collation
  from pg_index
  cross join lateral unnest(pg_index.indcollation::oid[]) used(used_collation)
  where used.used_collation <> 0
),
measured as (
  select
    indexed.used_collation as collation_oid,
    sum(
      case when not exists (
        select
        from pg_locks
        where pg_locks.relation in (indexed.indexrelid, indexed.indrelid)
          and pg_locks.mode = 'AccessExclusiveLock'
          and pg_locks.granted
      ) then pg_relation_size(indexed.indexrelid) end
    )::bigint as size,
    string_agg(
      format('reindex index %I.%I;', namespace.nspname, class.relname), ' ' order by namespace.nspname, class.relname
    ) as reindex
  from indexed
  join pg_class class on class.oid = indexed.indexrelid
  join pg_namespace namespace on namespace.oid = class.relnamespace
  where class.relkind = 'i'
  group by indexed.used_collation
),
version as (
  select
    100::oid as oid, -- DEFAULT_COLLATION_OID
    format('collation of database %I', datname) as object,
    datcollversion as recorded,
    pg_database_collation_actual_version(pg_database.oid) as actual,
    format('reindex database %I; alter database %I refresh collation version;', datname, datname) as command
  from pg_database
  where datname = current_database()
  union all
  select
    pg_collation.oid,
    format('collation %I.%I', namespace.nspname, collname),
    collversion,
    pg_collation_actual_version(pg_collation.oid),
    format('%s alter collation %I.%I refresh version;', measured.reindex, namespace.nspname, collname)
  from pg_collation
  join pg_namespace namespace on namespace.oid = pg_collation.collnamespace
  join measured on measured.collation_oid = pg_collation.oid
  where pg_collation.oid <> 100
)
select
  'COLLATION_VERSION' as subject,
  version.object,
  format('%s, and its indexes were built with %s', coalesce(version.actual, 'no library'), version.recorded) as detail,
  measured.size,
  version.command
from version
left join measured on measured.collation_oid = version.oid
where version.recorded is not null and version.actual is distinct from version.recorded
order by version.object
