-- Rows of a range, hashed in the server. The key is part of what is hashed, and a sum takes the same row twice for two.
-- Parameters: none are bound; {plain}, {printed}, {table} and {within} are put in.
-- Columns: copies bigint, rows; digest text; size bigint, bytes.
-- Since: PostgreSQL 11. Privilege: select on the table.
select
  count(*) as copies,
  coalesce(sum(hashbyteaextended(plain, hashbyteaextended(printed, 0))), 0)::text as digest,
  coalesce(sum(octet_length(plain) + octet_length(printed)), 0)::bigint as size
from (
  select record_send(row({plain})) as plain, textsend(row({printed})::text) as printed
  from {table}
  where {within}
  offset 0 -- or each image would be made as often as it is named
) as image
