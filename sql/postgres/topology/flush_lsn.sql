-- A log position behind everything this primary has committed and flushed so far. What is inserted behind it may be no
-- more than a page's header, which no standby ever replays.
-- Parameters: none.
-- Columns: lsn text.
-- Since: PostgreSQL 10. Privilege: none.
select pg_current_wal_flush_lsn()::text as lsn
