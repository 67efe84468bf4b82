-- Ends a journal's triggers, with their function.
-- Parameters: none are bound; {function}, its name, is put in.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: owner of the function.
drop function if exists {function}() cascade
