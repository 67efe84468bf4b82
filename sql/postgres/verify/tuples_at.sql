-- The row versions that a snapshot shows at some places of a table, each with the hash of its content.
-- Parameters: ctids text[].
-- Columns: ctid text; xmin bigint; xmax bigint; digest bigint.
-- Since: PostgreSQL 14. Privilege: SELECT on the table.
select
  tuple.ctid::text as ctid,
  tuple.xmin::text::bigint as xmin,
  tuple.xmax::text::bigint as xmax,
  {hash} as digest
from only {table} as tuple
where tuple.ctid = any(cast(cast(:ctids as text[]) as tid[]))
