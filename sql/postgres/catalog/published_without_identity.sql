-- Tables whose updates or deletes are published although their rows cannot be told apart. A partitioned table is
-- published through its partitions, and each partition has an identity of its own.
-- Parameters: none.
-- Columns: name text, quoted and qualified; publications text; operations text, such as 'updates and deletes'.
-- Since: PostgreSQL 12. Privilege: none.
select
  format('%I.%I', namespace.nspname, class.relname) as name,
  string_agg(distinct publication.pubname, ', ') as publications,
  concat_ws(
    ' and ',
    case when bool_or(publication.pubupdate) then 'updates' end,
    case when bool_or(publication.pubdelete) then 'deletes' end
  ) as operations
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
order by name
