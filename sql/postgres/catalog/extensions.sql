-- Extensions of the database.
-- Parameters: none.
-- Columns: name text; version text.
-- Since: PostgreSQL 10. Privilege: none.
select extname::text as name, extversion as version from pg_extension order by name
