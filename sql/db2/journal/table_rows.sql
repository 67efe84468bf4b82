-- A table's rows.
-- Parameters: none are bound; {columns} and {table}, names, are put in.
-- Columns: the table's.
-- Since: Db2 10.5. Privilege: select on the table.
select {columns} from {table}
