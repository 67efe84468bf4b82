-- An archive that gets nothing: no command, or one that failed the last time.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; detail text; since timestamptz, of the last failure.
-- Since: PostgreSQL 10. Privilege: pg_read_all_settings tells whether there is a command at all.
select
  'ARCHIVE' as subject,
  'archive_command' as object,
  case when failing.since is null then 'empty while archive_mode is on' else 'failing' end as detail,
  failing.since
from pg_settings mode
cross join lateral (
  select max(last_failed_time) as since
  from pg_stat_archiver
  where last_failed_time > coalesce(last_archived_time, '-infinity')
) failing
where mode.name = 'archive_mode'
  and mode.setting <> 'off'
  and (
    failing.since is not null
    or 2 = (
      select count(*)
      from pg_settings
      where name in ('archive_command', 'archive_library') and setting in ('', '(disabled)')
    )
  )
