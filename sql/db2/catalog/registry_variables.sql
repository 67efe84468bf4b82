-- Registry variables that are set, as the instance uses them.
-- Parameters: none.
-- Columns: name varchar; value varchar.
-- Since: Db2 10.5. Privilege: execute on SYSPROC.ENV_GET_REG_VARIABLES.
select reg_var_name as name, reg_var_value as value
from table(env_get_reg_variables(-1, 0)) as variable
order by reg_var_name
with ur
