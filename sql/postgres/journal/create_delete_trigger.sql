-- Writes what each statement deletes into the journal. Its name sorts before others, so it fires before them.
-- Parameters: none are bound; {trigger}, {table} and {function}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 11. Privilege: trigger on the table.
create trigger {trigger} after delete on {table} referencing old table as changed_rows
for each statement execute function {function}()
