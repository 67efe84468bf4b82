-- A table that is to be fed from a journal: its columns, its key, and what decides whether and how triggers see its changes.
-- Parameters: name text, as a query would name it.
-- Columns: schema text; name text; columns text[], without generated ones; types text[], theirs; key text[], of the primary
--   key; kind "char", as pg_class.relkind; persistence "char", as pg_class.relpersistence; has_relatives boolean, whether it
--   is a partition, or has parents or children; has_triggers boolean, of its own; is_subscribed boolean, whether logical
--   replication writes to it.
-- Since: PostgreSQL 13. Privilege: none.
select
  n.nspname::text as schema,
  c.relname::text as name,
  array(
    select a.attname::text from pg_attribute as a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
  ) as columns,
  array(
    select format_type(a.atttypid, a.atttypmod) from pg_attribute as a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum
  ) as types,
  array(
    select a.attname::text
    from pg_index as i
    cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
    join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = c.oid and i.indisprimary
    order by k.position
  ) as key,
  c.relkind as kind,
  c.relpersistence as persistence,
  c.relispartition or exists (select from pg_inherits as h where c.oid in (h.inhrelid, h.inhparent)) as has_relatives,
  exists (select from pg_trigger as t where t.tgrelid = c.oid and not t.tgisinternal) as has_triggers,
  exists (select from pg_subscription_rel as s where s.srrelid = c.oid) as is_subscribed
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.oid = to_regclass(:name)
