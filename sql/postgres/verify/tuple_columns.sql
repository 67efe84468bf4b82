-- One row version's columns: each as a hash, and as the text that the server prints, in its encoding.
-- Parameters: ctid text; xmin text.
-- Columns: digests bigint[]; texts bytea[], in the columns' order, NULL for NULL.
-- Since: PostgreSQL 14. Privilege: SELECT on the table.
select array[{digests}]::bigint[] as digests, array[{texts}]::bytea[] as texts
from only {table} as tuple
where tuple.ctid = cast(:ctid as tid) and tuple.xmin = cast(:xmin as xid)
