-- The rows of some buckets of a range, by key and hash.
-- Parameters: none are bound; {texts}, {plain}, {printed}, {table}, {within}, {key}, {mask} and {buckets} are put in.
-- Columns: key text[]; hash bigint.
-- Since: PostgreSQL 11. Privilege: select on the table.
select
  array[{texts}]::text[] as key,
  hashbyteaextended(record_send(row({plain})), hashbyteaextended(textsend(row({printed})::text), 0)) as hash
from {table}
where {within}
  and hashbyteaextended(textsend(row({key})::text), 0) & {mask} = any ({buckets})
