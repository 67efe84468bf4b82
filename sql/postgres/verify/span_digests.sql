-- Digests of the row versions that a snapshot shows in ranges of a table's blocks: position and inserting transaction are
-- part of what is hashed, so that neither equal rows nor exchanged ones cancel.
-- Parameters: table text, its name, qualified and quoted; firsts bigint[], blocks; behinds bigint[], the blocks behind.
-- Columns: item bigint, the first block; tuples bigint; digest text; filenode bigint, of the file that was read.
-- Since: PostgreSQL 14. Privilege: SELECT on the table.
select
  span.first as item,
  found.tuples,
  found.digest::text as digest,
  pg_relation_filenode(to_regclass(:table))::bigint as filenode
from unnest(cast(:firsts as bigint[]), cast(:behinds as bigint[])) as span (first, behind)
cross join lateral (
  select
    count(*) as tuples,
    coalesce(sum({hash}), 0) as digest
  from only {table} as tuple
  where
    tuple.ctid >= cast('(' || span.first || ',0)' as tid)
    and tuple.ctid < cast('(' || span.behind || ',0)' as tid)
) as found
