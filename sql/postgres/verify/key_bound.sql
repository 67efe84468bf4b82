-- The key of the row that ends a range of so many rows; no row where fewer are left.
-- Parameters: none are bound; {texts}, {key}, {table}, {within} and {rows} are put in.
-- Columns: key text[].
-- Since: PostgreSQL 11. Privilege: select on the table.
select array[{texts}]::text[] as key
from (select {key} from {table} where {within} order by {key} offset {rows} limit 1) as bound
