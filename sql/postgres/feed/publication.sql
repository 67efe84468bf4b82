-- The tables of a publication: what each publishes, and whether its rows can be told apart.
-- Parameters: publication text.
-- Columns: schema text; name text; columns text[]; key text[], of the index that is the replica identity, else of the
--   primary key; row_filter text, or NULL; root text, the partitioned table whose partitions are published one by one, or
--   NULL; mute text, a table that logs nothing by which its rows could be found, or NULL; partial text, one that does
--   not log its old rows whole, or NULL; updates boolean and deletes boolean, whether those are published; toastable
--   boolean, whether a published column may be stored out of line.
-- Since: PostgreSQL 15. Privilege: none.
with fed as materialized (
  -- First these few, or all below would be asked of every table that there is.
  select p.schemaname, p.tablename, p.attnames, p.rowfilter, p.pubname, c.oid, c.relreplident
  from pg_publication_tables as p
  join pg_namespace as n on n.nspname = p.schemaname
  join pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
  where p.pubname = :publication
)
select
  p.schemaname::text as schema,
  p.tablename::text as name,
  p.attnames::text[] as columns,
  coalesce((
    select array_agg(a.attname::text order by k.position)
    from pg_index as i
    cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
    join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = p.oid
      and k.position <= i.indnkeyatts
      and case when p.relreplident = 'i' then i.indisreplident else i.indisprimary end
  ), '{}') as key,
  p.rowfilter as row_filter,
  (
    select format('%I.%I', rn.nspname, r.relname)
    from pg_partition_ancestors(p.oid) as ancestor
    join pg_publication_rel as published on published.prpubid = pub.oid and published.prrelid = ancestor.relid
    join pg_class as r on r.oid = ancestor.relid and r.oid <> p.oid
    join pg_namespace as rn on rn.oid = r.relnamespace
    limit 1
  ) as root,
  logged.mute,
  logged.partial,
  pub.pubupdate as updates,
  pub.pubdelete as deletes,
  exists (
    select from pg_attribute as a
    where a.attrelid = p.oid and a.attname = any (p.attnames) and a.attlen = -1 and a.attstorage in ('x', 'e', 'm')
  ) as toastable
from fed as p
join pg_publication as pub on pub.pubname = p.pubname
cross join lateral (
  -- The log has the rows of partitions, and each has an identity of its own.
  select
    min(format('%I.%I', tn.nspname, t.relname)) filter (
      where t.relreplident = 'n' or (
        t.relreplident = 'i' and not exists (select from pg_index as i where i.indrelid = t.oid and i.indisreplident)
      )
    ) as mute,
    min(format('%I.%I', tn.nspname, t.relname)) filter (where t.relreplident <> 'f') as partial
  from pg_class as t
  join pg_namespace as tn on tn.oid = t.relnamespace
  where t.relkind <> 'p' and t.oid in (
    select p.oid union all select tree.relid from pg_partition_tree(p.oid) as tree where tree.isleaf
  )
) as logged
order by 1, 2
