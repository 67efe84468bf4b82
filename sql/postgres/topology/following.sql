-- Whether a node is a standby, and how it is connected to the node that it follows.
-- Parameters: none.
-- Columns: in_recovery boolean; conninfo text, without secrets, NULL where it does not receive or for who may not see it.
-- Since: PostgreSQL 10. Privilege: pg_read_all_stats for conninfo.
select pg_is_in_recovery() as in_recovery, (select conninfo from pg_stat_wal_receiver) as conninfo
