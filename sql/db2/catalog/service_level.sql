-- The instance's service level: the version of Db2, and its fix pack.
-- Parameters: none.
-- Columns: inst_name varchar, the instance; service_level varchar, such as 'DB2 v11.5.8.0'.
-- Since: Db2 10.5. Privilege: select on SYSIBMADM.ENV_INST_INFO and execute on SYSPROC.ENV_GET_INST_INFO (PUBLIC has
-- both, unless the database is restrictive).
select inst_name, service_level
from sysibmadm.env_inst_info
with ur
