-- Dead and free space of the chunks' table and its bodies, as pgstattuple_approx finds it: it reads the pages that are not all
-- visible, and trusts the free space map for the others.
-- Parameters: none; {approximated_by} is the schema of the extension pgstattuple.
-- Columns: dead_bytes bigint; free_bytes bigint.
-- Since: PostgreSQL 14. Privilege: execute on pgstattuple_approx (pg_stat_scan_tables).
select sum(seen.dead_tuple_len)::bigint as dead_bytes, sum(seen.approx_free_space)::bigint as free_bytes
from pg_class as t
cross join lateral {approximated_by}.pgstattuple_approx(t.oid::regclass) as seen
where t.oid in (
  select unnest(array[chunk.oid, chunk.reltoastrelid]) from pg_class as chunk where chunk.oid = 'hadrian.chunk'::regclass
)
