-- What the database defines beside its relations: schemas, routines, types, operators, casts, text search, extensions,
-- foreign servers, publications, subscriptions, event triggers, comments. Each is told in the server's own words, which are
-- the same on two nodes where the definition is. What an extension brought is left out. Ask with an empty search_path.
-- Parameters: none.
-- Columns: kind text; object text, quoted and qualified; definition text; version text, another after each change of it.
-- Since: PostgreSQL 12. Privilege: none.
with own as (
  select oid, quote_ident(nspname) as schema, xmin::text as version
  from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema')
    and nspname not like 'pg\_toast%'
    and nspname not like 'pg\_temp%'
),
brought as (
  select classid, objid from pg_depend where deptype = 'e'
)
select 'schema' as kind, schema as object, '' as definition, version from own
union all
select
  case prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end,
  format('%s.%I(%s)', own.schema, proname, pg_get_function_identity_arguments(pg_proc.oid)),
  case prokind
    when 'a' then (
      select concat_ws(
        ' ', pg_get_function_result(pg_proc.oid), aggtransfn, format_type(aggtranstype, null), agginitval,
        'final ' || nullif(aggfinalfn, 0)::regproc::text, 'combine ' || nullif(aggcombinefn, 0)::regproc::text,
        'kind', aggkind, 'moving ' || nullif(aggmtransfn, 0)::regproc::text
      )
      from pg_aggregate
      where aggfnoid = pg_proc.oid
    )
    else pg_get_functiondef(pg_proc.oid)
  end,
  concat_ws(' ', pg_proc.xmin, (select xmin from pg_aggregate where aggfnoid = pg_proc.oid))
from pg_proc
join own on own.oid = pronamespace
where not exists (select from brought where classid = 'pg_proc'::regclass and objid = pg_proc.oid)
union all
select
  case typtype when 'd' then 'domain' when 'e' then 'enum' when 'r' then 'range' else 'base type' end,
  format('%s.%I', own.schema, typname),
  case typtype
    when 'd' then concat_ws(
      ' ',
      format_type(typbasetype, typtypmod),
      'collate ' || nullif(typcollation, 0)::regcollation::text,
      case when typnotnull then 'not null' end,
      'default ' || typdefault,
      (
        select string_agg(format('constraint %I %s', conname, pg_get_constraintdef(oid)), ' ' order by conname)
        from pg_constraint
        where contypid = pg_type.oid and contype <> 'n'
      )
    )
    when 'e' then (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) from pg_enum where enumtypid = pg_type.oid)
    when 'r' then (
      select concat_ws(' ', rngsubtype::regtype, 'collate ' || nullif(rngcollation, 0)::regcollation::text, rngcanonical, rngsubdiff)
      from pg_range
      where rngtypid = pg_type.oid
    )
    else concat_ws(' ', typinput, typoutput, typreceive, typsend, typlen, typalign, typstorage)
  end,
  concat_ws(
    ' ',
    pg_type.xmin,
    (select string_agg(xmin::text, ',' order by oid) from pg_constraint where contypid = pg_type.oid),
    (select string_agg(xmin::text, ',' order by oid) from pg_enum where enumtypid = pg_type.oid),
    (select xmin from pg_range where rngtypid = pg_type.oid)
  )
from pg_type
join own on own.oid = typnamespace
where (typtype in ('d', 'e', 'r') or (typtype = 'b' and typelem = 0)) -- an array's type comes with its element's
  and not exists (select from brought where classid = 'pg_type'::regclass and objid = pg_type.oid)
union all
select
  'operator',
  pg_operator.oid::regoperator::text,
  concat_ws(
    ' ', oprresult::regtype, oprcode, 'restrict ' || nullif(oprrest, 0)::regproc::text, 'join ' || nullif(oprjoin, 0)::regproc::text,
    'commutator ' || nullif(oprcom, 0)::regoperator::text, 'negator ' || nullif(oprnegate, 0)::regoperator::text, oprcanmerge, oprcanhash
  ),
  pg_operator.xmin::text
from pg_operator
join own on own.oid = oprnamespace
where not exists (select from brought where classid = 'pg_operator'::regclass and objid = pg_operator.oid)
union all
select
  'operator family',
  (pg_identify_object('pg_opfamily'::regclass, pg_opfamily.oid, 0)).identity,
  concat_ws(
    ', ',
    (
      select string_agg(format('%s %s', amopstrategy, amopopr::regoperator), ', ' order by amopstrategy, amopopr::regoperator::text)
      from pg_amop
      where amopfamily = pg_opfamily.oid
    ),
    (
      select string_agg(format('%s %s', amprocnum, amproc::regprocedure), ', ' order by amprocnum, amproc::regprocedure::text)
      from pg_amproc
      where amprocfamily = pg_opfamily.oid
    )
  ),
  concat_ws(
    ' ',
    pg_opfamily.xmin,
    (select string_agg(xmin::text, ',' order by oid) from pg_amop where amopfamily = pg_opfamily.oid),
    (select string_agg(xmin::text, ',' order by oid) from pg_amproc where amprocfamily = pg_opfamily.oid)
  )
from pg_opfamily
join own on own.oid = opfnamespace
where not exists (select from brought where classid = 'pg_opfamily'::regclass and objid = pg_opfamily.oid)
union all
select
  'operator class',
  (pg_identify_object('pg_opclass'::regclass, pg_opclass.oid, 0)).identity,
  concat_ws(' ', opcintype::regtype, opcdefault, 'stores ' || nullif(opckeytype, 0)::regtype::text),
  pg_opclass.xmin::text
from pg_opclass
join own on own.oid = opcnamespace
where not exists (select from brought where classid = 'pg_opclass'::regclass and objid = pg_opclass.oid)
union all
select
  'cast',
  format('%s as %s', castsource::regtype, casttarget::regtype),
  concat_ws(' ', nullif(castfunc, 0)::regprocedure, castcontext, castmethod),
  pg_cast.xmin::text
from pg_cast
where oid >= 16384 -- FirstNormalObjectId
  and not exists (select from brought where classid = 'pg_cast'::regclass and objid = pg_cast.oid)
union all
select
  'collation',
  format('%s.%I', own.schema, collname),
  concat_ws(
    ' ', collprovider, case when collisdeterministic then 'deterministic' end, collcollate, collctype,
    coalesce(to_jsonb(pg_collation) ->> 'colllocale', to_jsonb(pg_collation) ->> 'colliculocale'),
    to_jsonb(pg_collation) ->> 'collicurules'
  ),
  pg_collation.xmin::text
from pg_collation
join own on own.oid = collnamespace
where not exists (select from brought where classid = 'pg_collation'::regclass and objid = pg_collation.oid)
union all
select
  'text search configuration',
  format('%s.%I', own.schema, cfgname),
  (
    select string_agg(format('%s %s', maptokentype, mapdict::regdictionary), ', ' order by maptokentype, mapseqno)
    from pg_ts_config_map
    where mapcfg = pg_ts_config.oid
  ),
  concat_ws(
    ' ',
    pg_ts_config.xmin,
    (select string_agg(xmin::text, ',' order by maptokentype, mapseqno) from pg_ts_config_map where mapcfg = pg_ts_config.oid)
  )
from pg_ts_config
join own on own.oid = cfgnamespace
where not exists (select from brought where classid = 'pg_ts_config'::regclass and objid = pg_ts_config.oid)
union all
select 'text search dictionary', format('%s.%I', own.schema, dictname), dictinitoption, pg_ts_dict.xmin::text
from pg_ts_dict
join own on own.oid = dictnamespace
where not exists (select from brought where classid = 'pg_ts_dict'::regclass and objid = pg_ts_dict.oid)
union all
select 'language', quote_ident(lanname), concat_ws(' ', lanpltrusted, nullif(lanplcallfoid, 0)::regproc), xmin::text
from pg_language
where lanispl and not exists (select from brought where classid = 'pg_language'::regclass and objid = pg_language.oid)
union all
select 'extension', quote_ident(extname), format('%s in %s', extversion, extnamespace::regnamespace), xmin::text
from pg_extension
union all
select 'foreign data wrapper', quote_ident(fdwname), concat_ws(' ', nullif(fdwhandler, 0)::regproc, array_to_string(fdwoptions, ', ')), xmin::text
from pg_foreign_data_wrapper
where not exists (select from brought where classid = 'pg_foreign_data_wrapper'::regclass and objid = pg_foreign_data_wrapper.oid)
union all
select 'foreign server', quote_ident(srvname), concat_ws(' ', fdwname, srvtype, srvversion, array_to_string(srvoptions, ', ')), pg_foreign_server.xmin::text
from pg_foreign_server
join pg_foreign_data_wrapper on pg_foreign_data_wrapper.oid = srvfdw
union all
select
  'publication',
  quote_ident(pubname),
  concat_ws(
    ' ',
    case when puballtables then 'all tables' end, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot,
    (select string_agg(prrelid::regclass::text, ', ' order by prrelid::regclass::text) from pg_publication_rel where prpubid = pg_publication.oid)
  ),
  concat_ws(
    ' ', xmin, (select string_agg(xmin::text, ',' order by oid) from pg_publication_rel where prpubid = pg_publication.oid)
  )
from pg_publication
union all
select
  'subscription',
  quote_ident(subname),
  concat_ws(' ', case when subenabled then 'enabled' end, subslotname, subsynccommit, subpublications),
  '' -- the role may not see it
from pg_subscription
where subdbid = (select oid from pg_database where datname = current_database())
union all
select 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regprocedure, 'enabled', evtenabled, evttags::text), xmin::text
from pg_event_trigger
where not exists (select from brought where classid = 'pg_event_trigger'::regclass and objid = pg_event_trigger.oid)
union all
select
  'comment',
  concat_ws(' ', named.type, named.identity),
  description,
  pg_description.xmin::text
from pg_description
cross join lateral pg_identify_object(classoid, objoid, objsubid) named
where objoid >= 16384
  and named.identity is not null
  and not exists (select from brought where classid = classoid and objid = objoid)
