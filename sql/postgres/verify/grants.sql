-- Who is who, who owns what, and who may do what: roles, memberships, the settings of roles, owners and grants. Names stand
-- for roles, so two servers can be compared. Nobody's password is read.
-- Parameters: none.
-- Columns: kind text; object text; definition text.
-- Since: PostgreSQL 12. Privilege: none.
with own as (
  select oid
  from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema')
    and nspname not like 'pg\_toast%'
    and nspname not like 'pg\_temp%'
),
held as (
  select
    'pg_class'::regclass as classid, class.oid, 0 as subid, relowner as owner, relacl as acl
  from pg_class class
  join own on own.oid = relnamespace
  where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and relpersistence <> 't'
  union all
  select 'pg_class', attrelid, attnum, null, attacl
  from pg_attribute
  join pg_class class on class.oid = attrelid and relpersistence <> 't'
  join own on own.oid = relnamespace
  where attacl is not null and not attisdropped
  union all
  select 'pg_proc', pg_proc.oid, 0, proowner, proacl from pg_proc join own on own.oid = pronamespace
  union all
  select 'pg_type', pg_type.oid, 0, typowner, typacl
  from pg_type
  join own on own.oid = typnamespace
  where typtype in ('d', 'e', 'r')
  union all
  select 'pg_namespace', pg_namespace.oid, 0, nspowner, nspacl from pg_namespace join own using (oid)
  union all
  select 'pg_database', oid, 0, datdba, datacl from pg_database
  union all
  select 'pg_tablespace', oid, 0, spcowner, spcacl from pg_tablespace
  union all
  select 'pg_language', oid, 0, lanowner, lanacl from pg_language
  union all
  select 'pg_foreign_data_wrapper', oid, 0, fdwowner, fdwacl from pg_foreign_data_wrapper
  union all
  select 'pg_foreign_server', oid, 0, srvowner, srvacl from pg_foreign_server
  union all
  select 'pg_publication', oid, 0, pubowner, null from pg_publication
  union all
  -- What a role gave up of the server's own: functions that are no longer for everybody, for one.
  select 'pg_proc', oid, 0, null, proacl
  from pg_proc
  where pronamespace = 'pg_catalog'::regnamespace and proacl is not null
)
select
  'role' as kind,
  quote_ident(rolname) as object,
  concat_ws(
    ' ',
    case when rolsuper then 'superuser' end,
    case when not rolinherit then 'noinherit' end,
    case when rolcreaterole then 'createrole' end,
    case when rolcreatedb then 'createdb' end,
    case when rolcanlogin then 'login' end,
    case when rolreplication then 'replication' end,
    case when rolbypassrls then 'bypassrls' end,
    'limit ' || nullif(rolconnlimit, -1),
    'until ' || rolvaliduntil
  ) as definition
from pg_roles
where rolname not like 'pg\_%'
union all
select
  'membership',
  format('%I in %I', member.rolname, role.rolname),
  concat_ws(
    ' ',
    case when bool_or(admin_option) then 'admin' end,
    case bool_or((to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean) when false then 'noinherit' end,
    case bool_or((to_jsonb(pg_auth_members) ->> 'set_option')::boolean) when false then 'noset' end
  )
from pg_auth_members
join pg_roles role on role.oid = roleid
join pg_roles member on member.oid = pg_auth_members.member
group by member.rolname, role.rolname
union all
select
  'settings of',
  concat_ws(' in ', coalesce(quote_ident(rolname), 'every role'), quote_ident(datname)),
  (select string_agg(setting, ', ' order by setting) from unnest(setconfig) setting)
from pg_db_role_setting
left join pg_roles on pg_roles.oid = setrole
left join pg_database on pg_database.oid = setdatabase
union all
select
  'default privileges',
  concat_ws(' ', quote_ident(rolname), 'in ' || nullif(defaclnamespace, 0)::regnamespace::text, defaclobjtype),
  (select string_agg(acl::text, ', ' order by acl::text) from unnest(defaclacl) acl)
from pg_default_acl
join pg_roles on pg_roles.oid = defaclrole
union all
select
  'grants on',
  concat_ws(' ', named.type, named.identity),
  concat_ws(
    ' ',
    'owner ' || nullif(held.owner, 0)::regrole::text,
    (select string_agg(acl::text, ', ' order by acl::text) from unnest(held.acl) acl)
  )
from held
cross join lateral pg_identify_object(held.classid, held.oid, held.subid) named
where named.identity is not null
