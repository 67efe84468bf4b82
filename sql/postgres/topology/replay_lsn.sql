-- How far a standby has replayed; on a node that was promoted, how far it has written.
-- Parameters: none.
-- Columns: lsn text.
-- Since: PostgreSQL 10. Privilege: none.
select (case
  when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0')
  else pg_current_wal_lsn()
end)::text as lsn
