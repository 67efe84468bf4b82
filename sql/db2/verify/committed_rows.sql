-- Rows with some keys as they were last committed, on a primary.
-- Parameters: none by name: each mark in {within} has one; {columns} and {table} are put in.
-- Columns: the table's.
-- Since: Db2 10.5. Privilege: select on the table.
select {columns}
from {table}
where {within}
with cs
