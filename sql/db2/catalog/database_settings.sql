-- The database configuration in memory.
-- Parameters: none.
-- Columns: name varchar, in lower case; value varchar, NULL where it has none; value_flags varchar: AUTOMATIC where the
-- server chose the value, COMPUTED where it came of other values, else NONE.
-- Since: Db2 10.5. Privilege: select on SYSIBMADM.DBCFG and execute on SYSPROC.DB_GET_CFG (PUBLIC has both, unless the
-- database is restrictive).
select name, value, value_flags
from sysibmadm.dbcfg
order by name
with ur
