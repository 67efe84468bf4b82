-- Table spaces in another state than NORMAL.
-- Parameters: none.
-- Columns: subject varchar, as the rules name it; object varchar, the table space; detail varchar, its states.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.MON_GET_TABLESPACE.
select 'TABLE_SPACE_STATE' as subject, tbsp_name as object, tbsp_state as detail
from table(mon_get_tablespace('', -1)) as tablespace
where tbsp_state <> 'NORMAL'
order by tbsp_name
with ur
