-- A position behind everything this primary has committed, in bytes of its log. The same on every row, one a standby; NULL
-- where HADR is not started.
-- Parameters: none.
-- Columns: lsn bigint.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.MON_GET_HADR.
select max(primary_log_pos) as lsn
from table(mon_get_hadr(-1)) as hadr
with ur
