-- The standbys of this primary, and on a standby itself, as HADR tells it.
-- Parameters: none.
-- Columns: hadr_role varchar; name varchar, the standby's host; replayed bigint, NULL before the two have met.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.MON_GET_HADR.
select
  hadr_role,
  standby_member_host as name,
  standby_replay_log_pos as replayed
from table(mon_get_hadr(-1)) as hadr
order by standby_id
with ur
