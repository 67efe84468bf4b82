-- What this transaction sees: the oldest transaction that may be running, the first that was not assigned, and between them
-- those that run, of which a standby names none.
-- Parameters: none.
-- Columns: snapshot text, xmin:xmax:running.
-- Since: PostgreSQL 13. Privilege: none.
select pg_current_snapshot()::text as snapshot
