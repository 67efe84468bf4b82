-- Rows with some keys as they were last committed, on a primary.
-- Parameters: the keys' values, one for each mark in {within}; {columns} and {table} are put in.
-- Columns: the table's.
-- Since: Db2 10.5. Privilege: select on the table.
select {columns}
from {table}
where {within}
with cs
