-- What the publications leave out on purpose: rows by a filter, columns by a list, operations by `publish`.
-- Parameters: publications text[].
-- Columns: subject text, as the rules name it; object text, quoted; detail text.
-- Since: PostgreSQL 15. Privilege: none.
with listed as (
  select
    pg_publication_tables.*,
    format('%I.%I', schemaname, tablename) as name,
    (
      select count(*)
      from pg_attribute
      where attrelid = class.oid and attnum > 0 and not attisdropped and attgenerated = ''
    ) as columns
  from pg_publication_tables
  join pg_namespace namespace on namespace.nspname = schemaname
  join pg_class class on class.relnamespace = namespace.oid and class.relname = tablename
  where pubname = any (cast(:publications as text[]))
)
-- A table in two publications has what either of them sends.
select 'ROW_FILTER' as subject, name as object, min(rowfilter) as detail
from listed
group by name
having count(*) = count(rowfilter)
union all
select 'COLUMN_LIST', name, 'only ' || array_to_string(max(attnames), ', ')
from listed
group by name
having max(cardinality(attnames)) < max(columns)
union all
select
  'PUBLISHED_OPERATIONS',
  format('%I', pubname),
  concat_ws(
    ', ',
    case when not pubinsert then 'inserts' end,
    case when not pubupdate then 'updates' end,
    case when not pubdelete then 'deletes' end,
    case when not pubtruncate then 'truncates' end
  )
from pg_publication
where pubname = any (cast(:publications as text[]))
  and not (pubinsert and pubupdate and pubdelete and pubtruncate)
order by subject, object
