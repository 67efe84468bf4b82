-- Record a migration, in the transaction that applied it.
-- Parameters: number integer; name varchar; sha256 varchar for bit data.
-- Columns: none.
-- Since: Db2 11.5. Privilege: INSERT on HADRIAN.MIGRATION.
insert into hadrian.migration (number, name, sha256)
values (:number, :name, :sha256)
