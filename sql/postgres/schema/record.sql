-- Record a migration, in the transaction that applied it.
-- Parameters: number integer; name text; sha256 bytea.
-- Columns: none.
-- Since: PostgreSQL 10. Privilege: INSERT on hadrian.migration.
insert into hadrian.migration (number, name, sha256)
values (:number, :name, :sha256)
