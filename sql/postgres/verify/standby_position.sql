-- Whether the node still replays, and how far it has come.
-- Parameters: none.
-- Columns: in_recovery boolean; lsn text.
-- Since: PostgreSQL 10. Privilege: none.
select pg_is_in_recovery() as in_recovery, coalesce(pg_last_wal_replay_lsn(), '0/0')::text as lsn
