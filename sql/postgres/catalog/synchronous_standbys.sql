-- Which standbys commits wait for, and how many of them answer.
-- Parameters: none.
-- Columns: names text, as set; wanted integer, how many must answer; answering bigint, how many do; hidden boolean,
-- whether the role may not see them; level text, how far commits wait.
-- Since: PostgreSQL 10. Privilege: pg_read_all_stats.
select
  setting.names,
  coalesce((regexp_match(setting.names, '^\s*(first|any)?\s*(\d+)\s*\(', 'i'))[2]::int, 1) as wanted,
  (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum', 'potential')) as answering,
  exists (select from pg_stat_replication where state is null) as hidden,
  (select reset_val from pg_settings where name = 'synchronous_commit') as level
from (select current_setting('synchronous_standby_names') as names) setting
