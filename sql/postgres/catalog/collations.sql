-- Collations whose indexes were built with another version of the node's library than the one it has now: the
-- database's own, and those that an index names. Indexes that somebody has locked exclusively are not measured.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; detail text; size bigint, bytes of the indexes; command
-- text, mends it.
-- Since: PostgreSQL 15. Privilege: none.
with held as (
  select relation from pg_locks where relation is not null and mode = 'AccessExclusiveLock' and granted
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
    format('alter collation %I.%I refresh version;', namespace.nspname, collname)
  from pg_collation
  join pg_namespace namespace on namespace.oid = pg_collation.collnamespace
),
stale as (
  select * from version where recorded is not null and actual is distinct from recorded
),
used as (
  select
    stale.oid,
    sum(
      case
        when class.oid not in (select relation from held) and pg_index.indrelid not in (select relation from held)
          then pg_relation_size(class.oid)
      end
    )::bigint as size,
    string_agg(
      format('reindex index %I.%I;', namespace.nspname, class.relname), ' ' order by namespace.nspname, class.relname
    ) as reindex
  from stale
  join pg_index on stale.oid = any (pg_index.indcollation::oid[])
  join pg_class class on class.oid = pg_index.indexrelid and class.relkind = 'i'
  join pg_namespace namespace on namespace.oid = class.relnamespace
  group by stale.oid
)
select
  'COLLATION_VERSION' as subject,
  stale.object,
  format('%s, and its indexes were built with %s', coalesce(stale.actual, 'no library'), stale.recorded) as detail,
  used.size,
  concat(case when stale.oid <> 100 then used.reindex || ' ' end, stale.command) as command
from stale
left join used on used.oid = stale.oid
where stale.oid = 100 or used.oid is not null
order by stale.object
