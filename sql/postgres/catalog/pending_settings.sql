-- Settings whose value in the node's files waits for a restart.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; detail text.
-- Since: PostgreSQL 10. Privilege: pg_read_all_settings, or settings that hold commands and paths are left out.
select
  'PENDING_SETTING' as subject,
  name as object,
  'waits for a restart of the node' as detail
from pg_settings
where pending_restart
order by object
