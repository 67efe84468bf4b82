-- Rows with some keys: which version of a row it is, and a hash or the text of each column.
-- Parameters: none are bound; {keys}, {names}, {values}, {type}, {table}, {row_filter} and {matches} are put in.
-- Columns: number bigint, of the key, from 1; version text; touched boolean, whether a transaction has locked, changed or
--   deleted it that need not be over; values, an array of {type}.
-- Since: PostgreSQL 11. Privilege: select on the table.
select asked.number, seen.version, seen.touched, seen.values
from unnest({keys}) with ordinality as asked ({names}, number)
cross join lateral (
  select
    concat_ws('/', tableoid, ctid, xmin) as version,
    xmax::text <> '0' as touched,
    array[{values}]::{type}[] as values
  from {table}
  where ({row_filter}) and {matches}
) as seen
