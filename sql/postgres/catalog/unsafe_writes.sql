-- Settings without which a power cut can damage the node's files.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; command text, mends it.
-- Since: PostgreSQL 10. Privilege: none.
select
  'UNSAFE_WRITES' as subject,
  name as object,
  format('alter system set %I = on; select pg_reload_conf();', name) as command
from pg_settings
where name in ('fsync', 'full_page_writes') and setting = 'off'
order by object
