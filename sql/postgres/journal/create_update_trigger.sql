-- Writes what each statement updates into the journal. Its name sorts before others, so it fires before them.
-- Parameters: none are bound; {trigger}, {table} and {function}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 11. Privilege: trigger on the table.
create trigger {trigger} after update on {table} referencing new table as changed_rows
for each statement execute function {function}()
