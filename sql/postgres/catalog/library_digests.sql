-- The file that this node would load for each library, by its digest. The search is the server's own: from PostgreSQL 18
-- on $libdir/name means the bare name, and a bare name is looked for along dynamic_library_path, first as it is, then
-- with .so (src/backend/utils/fmgr/dfmgr.c).
-- Parameters: libraries text[], as the catalog spells them.
-- Columns: library text; digest text, SHA-256 in hexadecimal, NULL where there is no such file.
-- Since: PostgreSQL 11. Privilege: pg_read_server_files, select on pg_config, and execute on pg_config(),
-- pg_stat_file(text, boolean) and pg_read_binary_file(text).
select wanted.library, encode(sha256(pg_read_binary_file(file.path)), 'hex') as digest
from unnest(cast(:libraries as text[])) wanted(library)
left join lateral (
  select candidate.path
  from unnest(array['', '.so']) with ordinality ending(suffix, nth)
  cross join unnest(
    case
      when wanted.library like '/%' then array['']
      when wanted.library like '$libdir/%' and current_setting('server_version_num')::int < 180000
        then array['$libdir/']
      else string_to_array(replace(current_setting('dynamic_library_path'), ':', '/:') || '/', ':')
    end
  ) with ordinality folder(path, nth)
  cross join lateral (
    select
      replace(folder.path, '$libdir', (select setting from pg_config where name = 'PKGLIBDIR'))
      || regexp_replace(wanted.library, '^\$libdir/', '')
      || ending.suffix as path
  ) candidate
  where (pg_stat_file(candidate.path, true)).isdir is false
  order by ending.nth, folder.nth
  limit 1
) file on true
order by wanted.library
