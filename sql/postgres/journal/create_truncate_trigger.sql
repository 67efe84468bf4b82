-- Writes that the table was emptied into the journal.
-- Parameters: none are bound; {trigger}, {table} and {function}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 11. Privilege: trigger on the table.
create trigger {trigger} after truncate on {table} for each statement execute function {function}()
