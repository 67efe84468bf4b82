-- Has a session that reads tuples only read, see every row or fail, neither wait nor read for long, walk the blocks that it
-- is told, on one core, and end when its client has gone. Texts are sent in the server's own encoding, unchecked; where it has
-- none, in one that any byte is valid in.
-- Parameters: statement_ms text; lock_ms text, both in milliseconds.
-- Columns: as set.
-- Since: PostgreSQL 14. Privilege: none.
select
  set_config('default_transaction_read_only', 'on', false) as read_only,
  set_config('search_path', 'pg_catalog', false) as search_path,
  set_config('row_security', 'off', false) as row_security,
  set_config(
    'client_encoding', replace(current_setting('server_encoding'), 'SQL_ASCII', 'LATIN1'), false
  ) as client_encoding,
  set_config('lc_monetary', 'C', false) as lc_monetary,
  set_config('jit', 'off', false) as jit,
  set_config('enable_seqscan', 'off', false) as seqscan,
  set_config('max_parallel_workers_per_gather', '0', false) as workers,
  set_config('client_connection_check_interval', '2s', false) as client_check,
  set_config('idle_in_transaction_session_timeout', :statement_ms, false) as idle_timeout,
  set_config('statement_timeout', :statement_ms, false) as statement_timeout,
  set_config('lock_timeout', :lock_ms, false) as lock_timeout
