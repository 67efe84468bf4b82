-- Rows of a sealed batch, in their order. They are committed, so that nothing is lost by isolation UR, which a standby
-- demands.
-- Parameters: number bigint; after bigint; {columns}, {journal} and {limit} are put in.
-- Columns: op varchar; seq bigint; the table's.
-- Since: Db2 10.5. Privilege: select on the journal.
select "_op" as op, "_seq" as seq, {columns}
from {journal}
where "_batch" = :number and "_seq" > :after
order by "_seq"
fetch first {limit} rows only
with ur
