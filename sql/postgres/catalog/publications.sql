-- The publications of the database.
-- Parameters: none.
-- Columns: name text.
-- Since: PostgreSQL 10. Privilege: none.
select pubname::text as name from pg_publication order by name
