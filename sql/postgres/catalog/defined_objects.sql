-- What the node's database defines beside its tables, and the roles it knows; what an extension brought is left out.
-- Parameters: none.
-- Columns: subject text, as the rules name it; object text, with its kind where the subject does not say it; command
-- text, creates it, where one statement can tell.
-- Since: PostgreSQL 11. Privilege: none.
with own as (
  select oid, quote_ident(nspname) as schema
  from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema') and nspname not like 'pg\_toast%' and nspname not like 'pg\_temp%'
),
brought as (
  select classid, objid from pg_depend where deptype = 'e'
)
select
  case class.relkind
    when 'm' then 'MATERIALIZED_VIEW'
    when 'f' then 'FOREIGN_TABLE'
    when 'i' then 'INDEX'
    when 'I' then 'INDEX'
    else 'MISSING_OBJECT'
  end as subject,
  concat(
    case class.relkind when 'v' then 'view ' when 'S' then 'sequence ' end, format('%s.%I', own.schema, class.relname)
  ) as object,
  case when class.relkind in ('i', 'I') then pg_get_indexdef(class.oid) || ';' end as command
from pg_class class
join own on own.oid = class.relnamespace
where class.relkind in ('v', 'm', 'f', 'i', 'I', 'S')
  and class.relpersistence = 'p'
  and not exists (select from brought where classid = 'pg_class'::regclass and objid = class.oid)
union all
select
  'MISSING_OBJECT',
  format('function %s.%I(%s)', own.schema, proname, pg_get_function_identity_arguments(pg_proc.oid)),
  null
from pg_proc
join own on own.oid = pronamespace
where not exists (select from brought where classid = 'pg_proc'::regclass and objid = pg_proc.oid)
union all
select 'MISSING_OBJECT', format('type %s.%I', own.schema, typname), null
from pg_type
join own on own.oid = typnamespace
where typtype in ('d', 'e', 'r')
  and not exists (select from brought where classid = 'pg_type'::regclass and objid = pg_type.oid)
union all
select 'EXTENSION', quote_ident(extname), format('create extension %I;', extname) from pg_extension
union all
select 'FOREIGN_SERVER', quote_ident(srvname), null from pg_foreign_server
union all
select 'EVENT_TRIGGER', quote_ident(evtname), null
from pg_event_trigger
where not exists (select from brought where classid = 'pg_event_trigger'::regclass and objid = pg_event_trigger.oid)
union all
select 'ROLE', quote_ident(rolname), null from pg_roles where rolname not like 'pg\_%'
order by subject, object
