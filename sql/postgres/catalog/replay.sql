-- How the standby follows: what it has replayed, whether it goes on, and whether anything reaches it.
-- Parameters: none.
-- Columns: lsn text, replayed so far; paused boolean; since timestamptz, when the last transaction that it has replayed
-- was committed; receiving boolean, whether a process receives log; restoring boolean, whether it reads an archive.
-- Since: PostgreSQL 10. Privilege: none.
select
  coalesce(pg_last_wal_replay_lsn(), '0/0')::text as lsn,
  pg_is_wal_replay_paused() as paused,
  pg_last_xact_replay_timestamp() as since,
  exists (select from pg_stat_wal_receiver) as receiving,
  coalesce(
    (select setting from pg_settings where name = 'restore_command'),
    'hidden'
  ) <> '' as restoring
