-- The subscriptions of this database, and the slots on their publishers that they read.
-- Parameters: none.
-- Columns: name text; slot text, NULL where it has none; publications text[]; quoted text, its name as SQL takes it.
-- Since: PostgreSQL 10. Privilege: none.
select
  subname::text as name,
  subslotname::text as slot,
  subpublications as publications,
  format('%I', subname) as quoted
from pg_subscription
where subdbid = (select oid from pg_database where datname = current_database())
order by name
