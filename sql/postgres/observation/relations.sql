-- What is stored in files of its own: tables and materialized views, indexes, sequences. Temporary ones are this session's.
--
-- The file number stands for the storage: whatever rewrites or replaces it gives another one, and a physical copy
-- has the same. What a temporary table is counts with it, since its entries in the catalogs outlive it on a node that
-- takes over. Of a table only the query that digests its rows is given, to be run once what `changes` counts has
-- moved; of an index, whether it has a block at all, which an unlogged one does not on a standby.
--
-- Parameters: none
-- Columns: kind (rows, index or sequence), oid text, name, file bigint, content (of an index or sequence), changes, query
-- (of a table)
-- Since: PostgreSQL 18 (pg_get_sequence_data)
-- Privilege: read access to every sequence: a superuser's
select case when c.relkind = 'S' then 'sequence' when c.relkind = 'i' then 'index' else 'rows' end as kind,
       c.oid::text as oid,
       format('%I.%I', n.nspname, c.relname) as name,
       coalesce(t.file, c.relfilenode::bigint) as file,
       case c.relkind
           when 'i' then (pg_relation_size(c.oid) > 0)::text
           when 'S' then
               case when c.relpersistence <> 't' then
                   (select concat_ws(' ', d.last_value, d.is_called, s.seqincrement)
                    from pg_get_sequence_data(c.oid) d, pg_sequence s
                    where s.seqrelid = c.oid)
               end
       end as content,
       concat_ws(
           ' ',
           coalesce(t.file, c.relfilenode::bigint),
           pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_inserted(c.oid),
           pg_stat_get_tuples_updated(c.oid) + pg_stat_get_xact_tuples_updated(c.oid),
           pg_stat_get_tuples_deleted(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid)
       ) as changes,
       case when c.relkind in ('r', 'm') and c.relispopulated then
           format(
               'select concat_ws('' '', count(*), sum(hashtextextended((t.*)::text, 0)::numeric)) from only %I.%I t',
               n.nspname, c.relname
           )
       end as query
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select hashtextextended(
        concat_ws(
            ' ',
            c.relfilenode,
            (select string_agg((a.*)::text, ' ' order by a.attnum) from pg_attribute a where a.attrelid = c.oid),
            (select string_agg((k.*)::text, ' ' order by k.oid) from pg_constraint k where k.conrelid = c.oid),
            (select string_agg((g.*)::text, ' ' order by g.oid) from pg_trigger g where g.tgrelid = c.oid)
        ),
        0
    ) as file
) t on c.relpersistence = 't'
where c.relkind in ('r', 'm', 'i', 'S')
  and c.relfilenode <> 0
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and (c.relpersistence <> 't' or c.relnamespace = pg_my_temp_schema())
