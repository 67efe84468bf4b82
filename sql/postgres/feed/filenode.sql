-- The file that a table has by now, whatever the snapshot shows; lock the table first.
-- Parameters: schema text; name text, as the snapshot shows them.
-- Columns: filenode bigint, NULL if the table is gone.
-- Since: PostgreSQL 9.0. Privilege: none.
select pg_relation_filenode(c.oid)::bigint as filenode
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = cast(:schema as name) and c.relname = cast(:name as name)
