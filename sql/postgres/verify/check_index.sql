-- Fails where a B-tree is not in order, or lacks a row that its table has; takes no lock that a writer waits for.
-- Parameters: index bigint.
-- Columns: one, void.
-- Since: PostgreSQL 11. Privilege: EXECUTE on amcheck's bt_index_check(regclass, boolean).
select {amcheck}.bt_index_check(cast(cast(:index as oid) as regclass), true)
