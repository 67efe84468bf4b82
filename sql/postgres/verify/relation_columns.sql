-- A table's columns, and which of them make its key: the primary key, else a unique index whose columns are not null.
-- Parameters: table text, its name, qualified and quoted.
-- Columns: name text; in_key boolean.
-- Since: PostgreSQL 11. Privilege: none.
with key as (
  select (i.indkey::int2[])[0:i.indnkeyatts - 1] as columns
  from pg_index as i
  where
    i.indrelid = to_regclass(:table) and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and not exists (
      select from pg_attribute as a
      where a.attrelid = i.indrelid and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1]) and not a.attnotnull
    )
  order by i.indisprimary desc, i.indnkeyatts, i.indexrelid
  limit 1
)
select a.attname::text as name, coalesce(a.attnum = any((select columns from key)::int2[]), false) as in_key
from pg_attribute as a
where a.attrelid = to_regclass(:table) and a.attnum > 0 and not a.attisdropped
order by a.attnum
