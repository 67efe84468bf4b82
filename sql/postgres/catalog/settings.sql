-- The node's settings, as they are for a new session of this role: what the asking transaction has set does not count.
-- Ask both nodes in the same way, in a read-only transaction.
-- Parameters: none.
-- Columns: name text; value text, with its unit; should_match boolean: false for what names the node, belongs to its
-- role, or is no choice of anybody's; secret boolean: its value may hold a password; restart boolean: a new value
-- needs one; quoted text, the value as ALTER SYSTEM SET takes it.
-- Since: PostgreSQL 10. Privilege: pg_read_all_settings, or settings that hold commands and paths are left out.
select
  name,
  value,
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
  and name not like 'unix\_socket\_%' as should_match,
  name = 'primary_conninfo' or name like '%\_command' or name like '%.%' as secret,
  context = 'postmaster' as restart,
  case
    -- A list of names: as one string it would be one name (src/bin/pg_dump/dumputils.c, variable_is_guc_list_quote).
    when name in (
      'local_preload_libraries', 'search_path', 'session_preload_libraries', 'shared_preload_libraries',
      'temp_tablespaces', 'unix_socket_directories'
    ) then (
      select coalesce(string_agg(quote_literal(trim(both ' "' from item)), ', ' order by nth), '''''')
      from unnest(string_to_array(value, ',')) with ordinality list(item, nth)
    )
    else quote_literal(value)
  end as quoted
from (
  select *, case when source = 'session' then reset_val else current_setting(name) end as value
  from pg_settings
) setting
order by name
