-- Writes the query that reads every system catalog, by the server's own list of them, so that none can be forgotten.
--
-- That query gives each row its identity and a digest. Of a large catalog it reads only rows written from now on:
-- what initdb wrote there is thousands of rows that no migration is about. A row of a catalog without a key, such as
-- those of dependencies, is its own identity.
--
-- Parameters: none
-- Columns: query, with the columns kind (the catalog), name (its primary key's values) and value
-- Since: PostgreSQL 14 (catalogs have primary keys)
-- Privilege: read access to every catalog, pg_authid and pg_statistic included: a superuser's
select string_agg(
           format(
               'select %L, %s, md5((t.*)::text) from pg_catalog.%I t%s',
               c.relname,
               coalesce('concat_ws('', '', ' || k.columns || ')', '(t.*)::text'),
               c.relname,
               case
                   when c.relpages > 1 then
                       format(' where t.xmin::text::int8 >= %s', pg_snapshot_xmax(pg_current_snapshot()))
                   else ''
               end
           ),
           ' union all ' order by c.relname
       ) as query
from pg_class c
left join pg_index i on i.indrelid = c.oid and i.indisprimary
cross join lateral (
    select string_agg(format('t.%I', a.attname), ', ' order by p.place) as columns
    from unnest(i.indkey::int2[]) with ordinality as p (attnum, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = p.attnum
) k
where c.relnamespace = 'pg_catalog'::regnamespace
  and c.relkind = 'r'
