-- Writes the queries that read every system catalog, by the server's own list of them, so that none can be forgotten.
--
-- The first gives each row its identity and a digest; the second counts them. Of a large catalog they take only rows
-- written from now on: what initdb wrote there is thousands of rows that no migration is about. The first has a
-- parameter, a transaction id: rows older than that are left out, but for catalogs whose rows are also changed in
-- place. The schemas of temporary tables are left out: a session's first such table makes them, and they stay. A row of a
-- catalog without a key, such as those of dependencies, is known by where it stands and what it says.
--
-- Parameters: none
-- Columns: rows, a query with the columns kind (the catalog), name (its primary key's values) and value; counts, one
-- with the columns kind and count
-- Since: PostgreSQL 14 (catalogs have primary keys)
-- Privilege: read access to every catalog, pg_authid and pg_statistic included: a superuser's
select string_agg(
           format(
               'select %L, %s, md5((t.*)::text) from pg_catalog.%I t where t.xmin::text::int8 >= greatest(%s, %s)%s',
               c.relname,
               coalesce('concat_ws('', '', ' || k.columns || ')', 't.ctid::text || (t.*)::text'),
               c.relname,
               f.first,
               case when c.relname in ('pg_class', 'pg_database') then '0' else '$1::int8' end,
               f."except"
           ),
           ' union all ' order by c.relname
       ) as rows,
       string_agg(
           format(
               'select %L, count(*) from pg_catalog.%I t where t.xmin::text::int8 >= %s%s',
               c.relname, c.relname, f.first, f."except"
           ),
           ' union all '
       ) as counts
from pg_class c
left join pg_index i on i.indrelid = c.oid and i.indisprimary
cross join lateral (
    select string_agg(format('t.%I', a.attname), ', ' order by p.place) as columns
    from unnest(i.indkey::int2[]) with ordinality as p (attnum, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = p.attnum
) k
cross join lateral (
    select case when c.relpages > 1 then pg_snapshot_xmax(pg_current_snapshot())::text else '0' end as first,
           case when c.relname = 'pg_namespace' then ' and t.nspname !~ ''^pg_(toast_)?temp_''' else '' end as "except"
) f
where c.relnamespace = 'pg_catalog'::regnamespace
  and c.relkind = 'r'
