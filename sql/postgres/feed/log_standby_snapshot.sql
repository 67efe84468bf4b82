-- Writes the list of running transactions to the log now: a slot that is being made on a standby waits for one.
-- Parameters: none.
-- Columns: none of interest.
-- Since: PostgreSQL 16. Privilege: superuser, or EXECUTE on the function.
select pg_log_standby_snapshot()
