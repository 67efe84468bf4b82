-- The types of the columns that a publication publishes, of all its tables.
-- Parameters: publication text.
-- Columns: type bigint, the type's OID; modifier integer, -1 where there is none.
-- Since: PostgreSQL 15. Privilege: none.
select distinct a.atttypid::bigint as type, a.atttypmod as modifier
from pg_publication_tables as p
join pg_namespace as n on n.nspname = p.schemaname
join pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
join pg_attribute as a on a.attrelid = c.oid and a.attname = any (p.attnames)
where p.pubname = :publication
