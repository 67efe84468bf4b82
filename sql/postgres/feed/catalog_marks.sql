-- Which versions the catalog's rows have that decide what a publication publishes of a table, and in what form: while
-- none of them changes, nobody alters the table or the publication, and the log names the key of each row that changes.
-- Parameters: publication text; root bigint, the published table's OID; tables bigint[], that and its partitions'.
-- Columns: tells boolean, whether all changes are published and each names its row's key; marks text.
-- Since: PostgreSQL 15. Privilege: none.
with tree as (
  select unnest(cast(:tables as bigint[]))::oid as oid
),
mark as (
  select 'publication' as kind, p.oid, 0 as part, p.xmin::text as version
  from pg_publication as p
  where p.pubname = cast(:publication as name)
  union all
  select 'relation', r.oid, 0, r.xmin::text
  from pg_publication_rel as r
  join pg_publication as p on p.oid = r.prpubid and p.pubname = cast(:publication as name)
  union all
  select 'schema', s.oid, 0, s.xmin::text
  from pg_publication_namespace as s
  join pg_publication as p on p.oid = s.pnpubid and p.pubname = cast(:publication as name)
  union all
  select 'table', c.oid, 0, c.xmin::text
  from tree
  join pg_class as c on c.oid = tree.oid
  union all
  select 'column', a.attrelid, a.attnum, a.xmin::text
  from tree
  join pg_attribute as a on a.attrelid = tree.oid and a.attnum > 0
  union all
  select 'index', i.indexrelid, 0, i.xmin::text
  from tree
  join pg_index as i on i.indrelid = tree.oid and (i.indisprimary or i.indisreplident)
  union all
  select 'label', e.oid, 0, e.xmin::text
  from pg_enum as e
)
select
  (
    select p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate
    from pg_publication as p
    where p.pubname = cast(:publication as name)
  ) and (
    -- A partition has an identity of its own.
    select bool_and(r.oid = t.oid or t.relreplident = 'f' or (t.relreplident = 'd' and r.relreplident <> 'i'))
    from tree
    join pg_class as t on t.oid = tree.oid and t.relkind = 'r'
    join pg_class as r on r.oid = cast(:root as bigint)
  ) as tells,
  md5(string_agg(concat_ws(' ', kind, oid, part, version), ', ' order by kind, oid, part)) as marks
from mark
