-- The node's settings. What the session itself has set counts as well, so ask both nodes in the same
-- way, in a read-only transaction.
-- Parameters: none.
-- Columns: name text; value text, with its unit; should_match boolean: false for what names the node, belongs to its
-- role, or is no choice of anybody's.
-- Since: PostgreSQL 10. Privilege: pg_read_all_settings, or settings that hold commands and paths are left out.
select
  name,
  current_setting(name) as value,
  category not in (
    'File Locations',
    'Preset Options',
    'Connections and Authentication / SSL',
    'Replication / Primary Server',
    'Replication / Master Server',
    'Replication / Standby Servers',
    'Reporting and Logging / Process Title',
    'Reporting and Logging / Where to Log',
    'Write-Ahead Log / Archive Recovery',
    'Write-Ahead Log / Recovery Target'
  )
  and name not in ('bonjour_name', 'listen_addresses', 'port')
  and name not like 'unix\_socket\_%' as should_match
from pg_settings
order by name
