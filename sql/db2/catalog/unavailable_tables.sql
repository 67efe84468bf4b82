-- Tables that cannot be accessed, as a table is whose rows were changed or loaded without logging and then replayed.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, qualified; command varchar, mends it once its rows
-- are safe elsewhere.
-- Since: Db2 10.5. Privilege: select on SYSIBMADM.ADMINTABINFO and execute on SYSPROC.ADMIN_GET_TAB_INFO (PUBLIC has
-- both, unless the database is restrictive).
select distinct
  'TABLE_UNAVAILABLE' as subject,
  rtrim(tabschema) || '.' || tabname as object,
  'drop table "' || rtrim(tabschema) || '"."' || tabname || '";' as command
from sysibmadm.admintabinfo
where available = 'N'
order by object
with ur
