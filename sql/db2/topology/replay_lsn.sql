-- How far a standby has replayed, in bytes of the log; on a node that took over, how far it has written. NULL where HADR is not
-- started.
-- Parameters: none.
-- Columns: lsn bigint.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.MON_GET_HADR.
select max(case when hadr_role = 'STANDBY' then standby_replay_log_pos else primary_log_pos end) as lsn
from table(mon_get_hadr(-1)) as hadr
with ur
