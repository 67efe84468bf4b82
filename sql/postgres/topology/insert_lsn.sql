-- A log position behind everything this primary has committed so far.
-- Parameters: none.
-- Columns: lsn text.
-- Since: PostgreSQL 10. Privilege: none.
select pg_current_wal_insert_lsn()::text as lsn
