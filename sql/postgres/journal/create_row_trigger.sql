-- Writes each row's change into the journal. Its name sorts before others, so it fires before what they do to the same row.
-- Parameters: none are bound; {trigger}, {table} and {function}, names, are put in.
-- Columns: none.
-- Since: PostgreSQL 11. Privilege: trigger on the table.
create trigger {trigger} after insert or update or delete on {table} for each row execute function {function}()
