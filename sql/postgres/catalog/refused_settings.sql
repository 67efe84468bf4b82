-- Lines of the node's configuration files that the server refuses, and will refuse at its next start.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; detail text, without the value.
-- Since: PostgreSQL 10. Privilege: select on pg_file_settings, and execute on pg_show_all_file_settings().
select
  'PENDING_SETTING' as subject,
  coalesce(file.name, 'a line without a name') as object,
  format('is refused in line %s of %s', file.sourceline, file.sourcefile) as detail
from pg_file_settings file
left join pg_settings setting on setting.name = file.name
where file.error is not null and setting.pending_restart is not true
order by object, file.sourcefile, file.sourceline
