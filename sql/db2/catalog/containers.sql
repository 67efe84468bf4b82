-- Containers of the table spaces. The standby needs each at the same path.
-- Parameters: none.
-- Columns: tbsp_name varchar, the table space; container_name varchar, an absolute path; accessible smallint, 0 where
-- the node cannot reach it.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.MON_GET_CONTAINER.
select tbsp_name, container_name, accessible
from table(mon_get_container('', -1)) as container
order by tbsp_name, container_name
with ur
