-- What a node is and how far its log goes: written on a primary, replayed on a standby.
-- Parameters: none.
-- Columns: in_recovery boolean; lsn text; timeline integer, NULL on a standby (ask IDENTIFY_SYSTEM there);
--   followed integer, what a standby says of its timeline to who may not ask that: what it receives, NULL for who is no
--   member of pg_read_all_stats, or of when it last wrote its control file.
-- Since: PostgreSQL 10. Privilege: none.
select
  pg_is_in_recovery() as in_recovery,
  (case
    when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0')
    else pg_current_wal_lsn()
  end)::text as lsn,
  case
    when not pg_is_in_recovery() then ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
  end as timeline,
  coalesce(
    (select received_tli from pg_stat_wal_receiver),
    (select greatest(c.timeline_id, r.min_recovery_end_timeline) from pg_control_checkpoint() as c, pg_control_recovery() as r)
  ) as followed
