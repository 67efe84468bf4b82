-- Has a session that compares print values the same way on any node, hide no row, and neither wait nor read for long.
-- Parameters: statement_ms text; lock_ms text, both in milliseconds.
-- Columns: search_path text; row_security text; lc_monetary text; jit text; statement_timeout text; lock_timeout text.
-- Since: PostgreSQL 11. Privilege: none.
select
  set_config('search_path', 'pg_catalog', true) as search_path,
  set_config('row_security', 'off', true) as row_security, -- an error rather than fewer rows
  set_config('lc_monetary', 'C', true) as lc_monetary,
  set_config('jit', 'off', true) as jit,
  set_config('statement_timeout', :statement_ms, true) as statement_timeout,
  set_config('lock_timeout', :lock_ms, true) as lock_timeout
