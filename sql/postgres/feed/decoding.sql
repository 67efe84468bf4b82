-- What decides whether this session may decode the log here.
-- Parameters: none.
-- Columns: version integer, as 180006; in_recovery boolean; wal_level text; may_replicate boolean; role text.
-- Since: PostgreSQL 9.4. Privilege: none.
select
  current_setting('server_version_num')::integer as version,
  pg_is_in_recovery() as in_recovery,
  current_setting('wal_level') as wal_level,
  (select rolreplication or rolsuper from pg_roles where rolname = current_user) as may_replicate,
  current_user::text as role
