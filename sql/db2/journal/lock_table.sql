-- Waits for those who have written to the table, and keeps others from it until the transaction ends.
-- Parameters: none are bound; {table}, its name, is put in.
-- Columns: none.
-- Since: Db2 10.5. Privilege: select on the table.
lock table {table} in share mode
