-- Whether there is a journal.
-- Parameters: name text, the journal's.
-- Columns: found boolean.
-- Since: PostgreSQL 10. Privilege: none.
select to_regclass(:name) is not null as found
