-- How long the statements of this transaction may take, and may wait for a lock.
-- Parameters: statement_ms text; lock_ms text, both in milliseconds.
-- Columns: statement_timeout text; lock_timeout text, as set.
-- Since: PostgreSQL 10. Privilege: none.
select
  set_config('statement_timeout', :statement_ms, true) as statement_timeout,
  set_config('lock_timeout', :lock_ms, true) as lock_timeout
