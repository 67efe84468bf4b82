-- What the database defines as relations, and what belongs to one: columns, constraints, indexes, triggers, rules, policies,
-- statistics. Each is told in the server's own words, which are the same on two nodes where the definition is. What an
-- extension brought is left out. Ask with an empty search_path, or names are not qualified.
-- Parameters: none.
-- Columns: kind text; object text, quoted and qualified; relation text, that it belongs to; definition text; version text,
-- another after each change of it.
-- Since: PostgreSQL 12. Privilege: none.
with own as (
  select oid, quote_ident(nspname) as schema
  from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema')
    and nspname not like 'pg\_toast%'
    and nspname not like 'pg\_temp%'
),
relation as (
  select
    class.*,
    class.xmin::text as version,
    format('%s.%I', own.schema, class.relname) as object,
    array_to_string(class.reloptions, ', ') as options
  from pg_class class
  join own on own.oid = class.relnamespace
  where class.relpersistence <> 't'
    and not exists (
      select from pg_depend where classid = 'pg_class'::regclass and objid = class.oid and deptype = 'e'
    )
)
select
  case relation.relkind
    when 'c' then 'composite type'
    when 'f' then 'foreign table'
    when 'm' then 'materialized view'
    when 'v' then 'view'
    else 'table'
  end as kind,
  relation.object,
  relation.object as relation,
  concat_ws(
    '; ',
    case relation.relpersistence when 'u' then 'unlogged' end,
    'with ' || relation.options,
    'using ' || method.amname,
    'partition by ' || pg_get_partkeydef(relation.oid),
    pg_get_expr(relation.relpartbound, relation.oid),
    'inherits ' || (
      select string_agg(inhparent::regclass::text, ', ' order by inhseqno) from pg_inherits where inhrelid = relation.oid
    ),
    'of ' || nullif(relation.reloftype, 0)::regtype::text,
    'replica identity ' || case when relation.relkind in ('r', 'p') then relation.relreplident::text end,
    case when relation.relrowsecurity then 'row security' end,
    case when relation.relforcerowsecurity then 'row security forced' end,
    case when relation.relkind = 'm' and not relation.relispopulated then 'not populated' end,
    (
      select format('server %I options %s', srvname, ftoptions::text)
      from pg_foreign_table
      join pg_foreign_server on pg_foreign_server.oid = ftserver
      where ftrelid = relation.oid
    ),
    case when relation.relkind in ('v', 'm') then pg_get_viewdef(relation.oid) end
  ) as definition,
  concat_ws(
    ' ',
    relation.version,
    (select string_agg(xmin::text, ',' order by inhseqno) from pg_inherits where inhrelid = relation.oid),
    (select string_agg(xmin::text, ',' order by oid) from pg_rewrite where ev_class = relation.oid)
  ) as version
from relation
left join pg_am method on method.oid = relation.relam
where relation.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
union all
select
  'sequence',
  relation.object,
  relation.object,
  concat_ws(
    ' ',
    case relation.relpersistence when 'u' then 'unlogged' end,
    format_type(seqtypid, null), seqstart, 'by', seqincrement, 'from', seqmin, 'to', seqmax, 'cache', seqcache,
    case when seqcycle then 'cycle' end
  ),
  concat_ws(' ', relation.version, pg_sequence.xmin)
from relation
join pg_sequence on pg_sequence.seqrelid = relation.oid
union all
select
  'column',
  format('%s.%I', relation.object, attname),
  relation.object,
  concat_ws(
    ' ',
    format_type(atttypid, atttypmod),
    'collate ' || nullif(attcollation, 0)::regcollation::text,
    case when attnotnull then 'not null' end,
    case attgenerated when '' then 'default ' when 's' then 'generated stored ' else 'generated ' end
      || pg_get_expr(adbin, adrelid),
    'identity ' || nullif(attidentity, '')::text,
    'storage ' || attstorage::text,
    'compression ' || nullif(to_jsonb(attribute) ->> 'attcompression', ''),
    array_to_string(attoptions, ', '),
    array_to_string(attfdwoptions, ', ')
  ),
  concat_ws(' ', attribute.xmin, pg_attrdef.xmin)
from relation
join pg_attribute attribute on attribute.attrelid = relation.oid and attnum > 0 and not attisdropped
left join pg_attrdef on adrelid = relation.oid and adnum = attnum
where relation.relkind in ('r', 'p', 'f', 'c')
union all
select
  'constraint',
  format('%I on %s', conname, relation.object),
  relation.object,
  concat_ws(' ', pg_get_constraintdef(pg_constraint.oid), case when not conislocal then 'inherited' end),
  pg_constraint.xmin::text
from relation
join pg_constraint on conrelid = relation.oid and contype <> 'n' -- those are told with their columns
union all
select
  'index',
  relation.object,
  owner.object,
  concat_ws(
    ' ',
    pg_get_indexdef(relation.oid),
    case when not indisvalid then 'invalid' end,
    case when indisclustered then 'clustered' end,
    case when indisreplident then 'replica identity' end
  ),
  concat_ws(' ', relation.version, pg_index.xmin)
from relation
join pg_index on indexrelid = relation.oid
join relation owner on owner.oid = indrelid
where not exists (select from pg_constraint where conindid = relation.oid and contype in ('p', 'u', 'x'))
union all
select
  'trigger',
  format('%I on %s', tgname, relation.object),
  relation.object,
  concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), 'enabled', tgenabled),
  pg_trigger.xmin::text
from relation
join pg_trigger on tgrelid = relation.oid and not tgisinternal
union all
select
  'rule',
  format('%I on %s', rulename, relation.object),
  relation.object,
  concat_ws(' ', pg_get_ruledef(pg_rewrite.oid), 'enabled', ev_enabled),
  pg_rewrite.xmin::text
from relation
join pg_rewrite on ev_class = relation.oid and rulename <> '_RETURN'
union all
select
  'policy',
  format('%I on %s', polname, relation.object),
  relation.object,
  concat_ws(
    ' ',
    case when polpermissive then 'permissive' else 'restrictive' end,
    polcmd,
    'to',
    (select string_agg(case role when 0 then 'public' else role::regrole::text end, ', ' order by role::regrole::text) from unnest(polroles) role),
    'using ' || pg_get_expr(polqual, polrelid),
    'with check ' || pg_get_expr(polwithcheck, polrelid)
  ),
  pg_policy.xmin::text
from relation
join pg_policy on polrelid = relation.oid
union all
select
  'statistics',
  format('%I.%I', pg_namespace.nspname, stxname),
  relation.object,
  pg_get_statisticsobjdef(pg_statistic_ext.oid),
  pg_statistic_ext.xmin::text
from relation
join pg_statistic_ext on stxrelid = relation.oid
join pg_namespace on pg_namespace.oid = stxnamespace
