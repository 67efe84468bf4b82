-- The migrations this database has had, in order.
-- Parameters: none.
-- Columns: number integer; name varchar; sha256 varchar for bit data, of the file as it was applied; applied_at timestamp.
-- Since: Db2 11.5. Privilege: SELECT on HADRIAN.MIGRATION.
select number, name, sha256, applied_at
from hadrian.migration
order by number
