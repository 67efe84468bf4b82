-- The row versions that a snapshot shows in some blocks of a table, each with the hash of its content.
-- Parameters: blocks bigint[].
-- Columns: item bigint, the block; ctid text; xmin bigint; xmax bigint, the transaction or the group of them that locks,
--   updates or deletes it, or did, 0 for none; digest bigint.
-- Since: PostgreSQL 14. Privilege: SELECT on the table.
select wanted.block as item, found.ctid, found.xmin, found.xmax, found.digest
from unnest(cast(:blocks as bigint[])) as wanted (block)
cross join lateral (
  select
    tuple.ctid::text as ctid,
    tuple.xmin::text::bigint as xmin,
    tuple.xmax::text::bigint as xmax,
    {hash} as digest
  from only {table} as tuple
  where
    tuple.ctid >= cast('(' || wanted.block || ',0)' as tid)
    and tuple.ctid < cast('(' || wanted.block + 1 || ',0)' as tid)
  offset 0 -- kept apart: as a join, it would read the whole table for each block
) as found
