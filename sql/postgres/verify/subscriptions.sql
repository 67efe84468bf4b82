-- The subscriptions of this database.
-- Parameters: none.
-- Columns: name text; slot text, NULL where it has none; publications text[]; enabled boolean.
-- Since: PostgreSQL 10. Privilege: none.
select subname::text as name, subslotname::text as slot, subpublications as publications, subenabled as enabled
from pg_subscription
where subdbid = (select oid from pg_database where datname = current_database())
order by name
