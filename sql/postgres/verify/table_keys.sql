-- The keys of tables by which a row can be found, the best first: the replica identity, then the primary key.
-- Parameters: schemas text[]; names text[], as many.
-- Columns: object text, quoted and qualified; columns text[], in the key's order; ordered boolean, whether the index has
--   them in an order that is the same on every server.
-- Since: PostgreSQL 11. Privilege: none.
select
  format('%I.%I', asked.schema, asked.name) as object,
  array_agg(a.attname::text order by key.place) as columns,
  bool_and(
    opclass.opcdefault
    and key.direction & 1 = 0 -- ascending
    and (
      a.atttypid = any (
        '{boolean,bytea,smallint,integer,bigint,oid,numeric,uuid,date,time,timestamp,timestamptz}'::regtype[]
      )
      or (
        a.atttypid = any ('{text,varchar,bpchar,name}'::regtype[])
        and (
          c.collname in ('C', 'POSIX')
          or (
            c.collname = 'default'
            and (
              select datlocprovider = 'c' and datcollate in ('C', 'POSIX')
              from pg_database
              where datname = current_database()
            )
          )
        )
      )
    )
  ) as ordered
from unnest(cast(:schemas as text[]), cast(:names as text[])) as asked (schema, name)
join pg_namespace namespace on namespace.nspname = asked.schema
join pg_class class on class.relnamespace = namespace.oid and class.relname = asked.name
join pg_index i on i.indrelid = class.oid
  and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
cross join lateral unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[], i.indoption::int2[])
  with ordinality as key (attnum, opclass, collated, direction, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
join pg_opclass opclass on opclass.oid = key.opclass
left join pg_collation c on c.oid = key.collated
where key.place <= i.indnkeyatts
group by asked.schema, asked.name, i.indexrelid, i.indisreplident, i.indisprimary
having bool_and(a.attnotnull)
order by object, i.indisreplident desc, i.indisprimary desc, i.indexrelid
