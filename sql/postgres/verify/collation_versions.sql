-- Which version of each collation's rules this node's operating system or library has: of the database's own, and of those
-- that the database knows by name. Those that every build has itself are left out.
-- Parameters: none.
-- Columns: object text; version text, NULL where nobody tells; provider text, what the rules come from; indexes bigint, how
-- many indexes are in this order.
-- Since: PostgreSQL 15. Privilege: none.
with counted as (
  select collation_oid, count(distinct indexrelid) as indexes
  from pg_index
  cross join lateral unnest(indcollation::oid[]) collation_oid
  join pg_class on pg_class.oid = indexrelid and relpersistence <> 't'
  where indexrelid >= 16384 -- FirstNormalObjectId
  group by collation_oid
)
select
  'the database''s own collation' as object,
  pg_database_collation_actual_version(oid) as version,
  case datlocprovider when 'c' then 'libc' when 'i' then 'icu' else 'builtin' end as provider,
  coalesce((select indexes from counted where collation_oid = 100), 0) as indexes -- DEFAULT_COLLATION_OID
from pg_database
where datname = current_database()
union all
select
  format('%I.%I', nspname, collname),
  pg_collation_actual_version(pg_collation.oid),
  case collprovider when 'c' then 'libc' when 'i' then 'icu' else 'builtin' end,
  coalesce(indexes, 0)
from pg_collation
join pg_namespace on pg_namespace.oid = collnamespace
left join counted on collation_oid = pg_collation.oid
where collprovider in ('c', 'i') and collcollate is distinct from 'C' and collcollate is distinct from 'POSIX'
