-- Tables whose updates or deletes are published although their rows cannot be told apart. A partitioned table is
-- published through its partitions, and each partition has an identity of its own.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, quoted and qualified; detail text, such as 'news publishes
-- its updates and deletes'; rows bigint, the planner's estimate; command text, mends it.
-- Since: PostgreSQL 12. Privilege: none.
select
  'PUBLISHED_TABLE' as subject,
  format('%I.%I', namespace.nspname, class.relname) as object,
  format(
    '%s publishes its %s',
    string_agg(distinct publication.pubname, ', '),
    concat_ws(
      ' and ',
      case when bool_or(publication.pubupdate) then 'updates' end,
      case when bool_or(publication.pubdelete) then 'deletes' end
    )
  ) as detail,
  max(case when class.reltuples >= 0 then class.reltuples::bigint end) as rows,
  format('alter table %I.%I replica identity full;', namespace.nspname, class.relname) as command
from pg_publication publication
join pg_publication_tables listed on listed.pubname = publication.pubname
-- By name, and not through regclass: that would need usage of every schema.
join pg_namespace listed_namespace on listed_namespace.nspname = listed.schemaname
join pg_class listed_class
  on listed_class.relnamespace = listed_namespace.oid and listed_class.relname = listed.tablename
cross join lateral (
  select listed_class.oid as relid
  union
  select relid from pg_partition_tree(listed_class.oid)
) part
join pg_class class on class.oid = part.relid
join pg_namespace namespace on namespace.oid = class.relnamespace
where (publication.pubupdate or publication.pubdelete)
  and class.relkind = 'r'
  and class.relreplident <> 'f'
  and not exists (
    select
    from pg_index
    where pg_index.indrelid = class.oid
      and (
        class.relreplident = 'd' and pg_index.indisprimary
        or class.relreplident = 'i' and pg_index.indisreplident
      )
  )
group by namespace.nspname, class.relname
order by object
