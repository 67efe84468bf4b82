-- Hadrian's tables of which not everything is in the log, or whose table space the log cannot bring back. That a table is NOT LOGGED
-- INITIALLY in somebody's transaction shows in no catalog: BLOCKNONLOGGED keeps that from happening, and the audit asks for it.
-- Parameters: none.
-- Columns: object varchar; reason varchar; remedy varchar.
-- Since: Db2 10.5. Privilege: select on SYSCAT.COLUMNS and SYSCAT.TABLES, execute on SYSPROC.MON_GET_TABLESPACE (PUBLIC has all of
-- it, unless the database is restrictive).
-- Source: IBM Db2 11.5 documentation, "tablespace_state - Table space state monitor element", "SYSCAT.COLUMNS catalog view".
select
  'HADRIAN.' || c.tabname || '.' || c.colname as object,
  'holds values that are not logged' as reason,
  'make the table again with a LOGGED column' as remedy
from syscat.columns as c
where c.tabschema = 'HADRIAN' and c.logged = 'N'
union all
select distinct
  'table space ' || s.tbsp_name as object,
  'is in state ' || s.tbsp_state as reason,
  'end that state (BACKUP, RESTORE or ROLLFORWARD DATABASE, as db2tbst explains it)' as remedy
from syscat.tables as t
join table(mon_get_tablespace('', -1)) as s on s.tbsp_name in (t.tbspace, t.index_tbspace, t.long_tbspace)
where t.tabschema = 'HADRIAN'
  and (
    locate('PENDING', s.tbsp_state) > 0
    or locate('OFFLINE', s.tbsp_state) > 0
    or locate('RESTORE', s.tbsp_state) > 0
    or locate('ROLLFORWARD', s.tbsp_state) > 0
  )
with ur
