-- Rows with some keys as they are, committed or not. The token changes whenever a row of the row's page does.
-- Parameters: none by name: each mark in {within} has one; {columns} and {table} are put in.
-- Columns: token bigint; the table's.
-- Since: Db2 10.5. Privilege: select on the table.
select row change token for latest as token, {columns}
from {table} latest
where {within}
with ur
