-- Has a session send characters, as the stream does, and take its time. A database in SQL_ASCII does not know what its
-- text is in, so it sends that as it is.
-- Parameters: local boolean, whether for the transaction only.
-- Columns: encoding text.
-- Since: PostgreSQL 9.6. Privilege: none.
select
  set_config(
    'client_encoding', case when current_setting('server_encoding') = 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end, :local
  ) as encoding,
  set_config('statement_timeout', '0', :local),
  set_config('idle_in_transaction_session_timeout', '0', :local)
