-- The same for the rows of a range by a hash of their key, so that few rows are left of a range that differs.
-- Parameters: none are bound; {key}, {mask}, {plain}, {printed}, {table} and {within} are put in.
-- Columns: bucket bigint; copies bigint, rows; digest text; size bigint, bytes.
-- Since: PostgreSQL 11. Privilege: select on the table.
select
  hashbyteaextended(key, 0) & {mask} as bucket,
  count(*) as copies,
  sum(hashbyteaextended(plain, hashbyteaextended(printed, 0)))::text as digest,
  sum(octet_length(plain) + octet_length(printed))::bigint as size
from (
  select
    textsend(row({key})::text) as key,
    record_send(row({plain})) as plain,
    textsend(row({printed})::text) as printed
  from {table}
  where {within}
  offset 0
) as image
group by bucket
