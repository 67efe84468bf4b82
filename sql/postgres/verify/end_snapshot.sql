-- Ends a transaction that only read.
-- Parameters: none.
-- Columns: none.
-- Since: PostgreSQL 7.1. Privilege: none.
rollback
