-- The cluster's tablespaces, as its catalog has them; where one lies is each node's own.
-- Parameters: none.
-- Columns: object text; definition text; version text, another after each change of it.
-- Since: PostgreSQL 10. Privilege: none.
select quote_ident(spcname) as object, coalesce(array_to_string(spcoptions, ', '), '') as definition, xmin::text as version
from pg_tablespace
