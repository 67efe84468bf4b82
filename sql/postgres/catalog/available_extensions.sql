-- Extensions whose files this node has.
-- Parameters: none.
-- Columns: name text; version text.
-- Since: PostgreSQL 10. Privilege: none.
select name::text as name, version from pg_available_extension_versions order by name, version
