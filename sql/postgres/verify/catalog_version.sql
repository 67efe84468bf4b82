-- What becomes another with each committed change of what definitions name: relations, columns, routines, types, owners and
-- grants. A name that was changed and changed back is another version of its row.
-- Parameters: none.
-- Columns: version text.
-- Since: PostgreSQL 11. Privilege: none.
with own as (
  select oid, xmin
  from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema')
    and nspname not like 'pg\_toast%'
    and nspname not like 'pg\_temp%'
),
changed as (
  select 'pg_namespace' as catalog, xmin, oid::text as id from own
  union all
  select 'pg_class', pg_class.xmin, pg_class.oid::text from pg_class join own on own.oid = relnamespace
  union all
  select 'pg_attribute', pg_attribute.xmin, concat(attrelid, '.', attnum)
  from pg_attribute
  join pg_class on pg_class.oid = attrelid
  join own on own.oid = relnamespace
  union all
  select 'pg_proc', pg_proc.xmin, pg_proc.oid::text from pg_proc join own on own.oid = pronamespace
  union all
  select 'pg_type', pg_type.xmin, pg_type.oid::text from pg_type join own on own.oid = typnamespace
  union all
  select 'pg_operator', xmin, oid::text from pg_operator where oid >= 16384 -- FirstNormalObjectId
  union all
  select 'pg_collation', pg_collation.xmin, pg_collation.oid::text from pg_collation join own on own.oid = collnamespace
  union all
  select 'pg_database', xmin, oid::text from pg_database
  union all
  select 'pg_tablespace', xmin, oid::text from pg_tablespace
  union all
  select 'pg_language', xmin, oid::text from pg_language
  union all
  select 'pg_foreign_data_wrapper', xmin, oid::text from pg_foreign_data_wrapper
  union all
  select 'pg_foreign_server', xmin, oid::text from pg_foreign_server
  union all
  select 'pg_auth_members', xmin, concat(roleid, '.', member, '.', grantor) from pg_auth_members
  union all
  select 'pg_db_role_setting', xmin, concat(setdatabase, '.', setrole) from pg_db_role_setting
  union all
  select 'pg_default_acl', xmin, oid::text from pg_default_acl
)
select concat_ws(' ', count(*), sum(hashtextextended(concat_ws(' ', catalog, xmin, id), 0)::numeric)) as version
from changed
