-- Where commits are told to wait for less than a flush of their own and of the synchronous standbys: the server's own
-- setting, and what roles and databases have set.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text; command text, mends it.
-- Since: PostgreSQL 10. Privilege: none.
select
  case level.value when 'off' then 'COMMIT_UNFLUSHED' else 'COMMIT_LOCAL' end as subject,
  level.object,
  level.command
from (
  select
    'synchronous_commit' as object,
    reset_val as value,
    'alter system set synchronous_commit = on; select pg_reload_conf();' as command
  from pg_settings
  -- What a role or a database has set is told below.
  where name = 'synchronous_commit' and source not in ('user', 'database', 'database user')
  union all
  select
    concat(
      'synchronous_commit', ' of role ' || quote_ident(rolname), ' in database ' || quote_ident(datname)
    ),
    substr(config.item, length('synchronous_commit=') + 1),
    case
      when rolname is null then format('alter database %I reset synchronous_commit;', datname)
      else concat(
        'alter role ', quote_ident(rolname), ' in database ' || quote_ident(datname), ' reset synchronous_commit;'
      )
    end
  from pg_db_role_setting
  left join pg_roles on pg_roles.oid = pg_db_role_setting.setrole
  left join pg_database on pg_database.oid = pg_db_role_setting.setdatabase
  cross join lateral unnest(setconfig) config(item)
  where config.item like 'synchronous\_commit=%'
) level
where level.value = 'off'
  or level.value = 'local' and (select setting <> '' from pg_settings where name = 'synchronous_standby_names')
order by level.object
