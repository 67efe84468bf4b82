-- Begins a transaction all of whose statements see the same; a standby allows no stricter one.
-- Parameters: none.
-- Columns: none.
-- Since: PostgreSQL 9.0. Privilege: none.
begin transaction isolation level repeatable read read only
