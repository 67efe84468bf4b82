-- Rows of a range in the order of their key, committed or not: a standby serves no other reads.
-- Parameters: none by name: each mark in {within} has one; {columns}, {table}, {key} and {most}, how many rows, are put in.
-- Columns: the table's.
-- Since: Db2 10.5. Privilege: select on the table.
select {columns}
from {table}
where {within}
order by {key}
fetch first {most} rows only
with ur
