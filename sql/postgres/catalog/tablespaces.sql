-- Tablespaces with a directory outside the data directory. The log holds its path, never the directory.
-- Parameters: none.
-- Columns: name text; location text, an absolute path on this node.
-- Since: PostgreSQL 10. Privilege: none.
select spcname::text as name, pg_tablespace_location(oid) as location
from pg_tablespace
where pg_tablespace_location(oid) like '/%'
order by name
