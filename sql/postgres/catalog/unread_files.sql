-- Configuration files that were changed after the server last read them.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, the file's path; detail text; since timestamptz; command
-- text, mends it.
-- Since: PostgreSQL 10. Privilege: pg_read_all_settings and pg_read_server_files, and execute on
-- pg_stat_file(text, boolean).
select
  'PENDING_SETTING' as subject,
  file.path as object,
  'was changed and not read since' as detail,
  stat.modification as since,
  'select pg_reload_conf();' as command
from (
  select current_setting('config_file') as path
  union all
  select current_setting('data_directory') || '/postgresql.auto.conf'
  union all
  select current_setting('hba_file')
  union all
  select current_setting('ident_file')
) file
cross join lateral pg_stat_file(file.path, true) stat
where stat.modification > pg_conf_load_time()
order by object
