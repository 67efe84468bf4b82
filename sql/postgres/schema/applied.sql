-- The migrations this database has had, in order.
-- Parameters: none.
-- Columns: number integer; name text; sha256 bytea, of the file as it was applied; applied_at timestamptz.
-- Since: PostgreSQL 10. Privilege: SELECT on hadrian.migration.
select number, name, sha256, applied_at
from hadrian.migration
order by number
