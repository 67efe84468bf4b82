-- The physical standbys that this node streams its log to; not who reads it with a logical slot or takes a backup.
-- Parameters: none.
-- Columns: name text, their application_name; address text, NULL for a socket; replayed text, as they said last, NULL
--   before that; may_see boolean: who may not read pg_stat_replication sees that they are there, and nothing of them.
-- Since: PostgreSQL 10. Privilege: pg_read_all_stats to see more than their number.
select
  r.application_name as name,
  coalesce(r.client_hostname, host(r.client_addr)) as address,
  r.replay_lsn::text as replayed,
  pg_has_role('pg_read_all_stats', 'usage') as may_see
from pg_stat_replication as r
where not exists (select from pg_replication_slots as s where s.active_pid = r.pid and s.slot_type = 'logical')
  and (r.replay_lsn is not null or not pg_has_role('pg_read_all_stats', 'usage'))
order by r.application_name, address, r.pid
